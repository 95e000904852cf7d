"""What the documents say is held to the code."""

import re
from pathlib import Path

import typer

from compositor.cli import app
from virtio.fence.state import diagram

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_readme_draws_the_fences_states_from_their_table() -> None:
    assert f"```mermaid\n{diagram().strip()}\n```" in README


def test_the_readme_lists_every_command() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    for name in command.commands:
        assert f"scanout {name}" in README


def test_the_readmes_links_lead_somewhere() -> None:
    linked = re.findall(r"\]\(([^)]+)\)", README) + re.findall(r"`([A-Z]+\.md)`", README)
    assert linked
    assert [path for path in linked if not (ROOT / path).exists()] == []
