"""Fuzzes one target, guided by the branches that it reaches: atheris, in a process of its own.

python -m tests.fuzz.engine TARGET [option of libFuzzer | folder of inputs ...]
"""

from __future__ import annotations

import sys

import atheris

from tests.fuzz.target import COVERS, load


def main() -> None:
    """Run until libFuzzer's options say that it is enough, or there is a finding."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=list(COVERS.get(name, ()))):
        target = load(name)
    atheris.Setup([sys.argv[0], *options], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
