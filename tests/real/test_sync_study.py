"""The 30 / 60 figures, from Linux's own driver on virtual time."""

import pytest

from compositor.adapter.sync_policy import SyncPolicy
from compositor.commands.studies.sync_study import measure
from guest.linux.kernel import find_kernel

pytestmark = pytest.mark.real


@pytest.mark.parametrize("policy", [SyncPolicy.BLOCKING, SyncPolicy.RELEASE])
@pytest.mark.parametrize(("render_ms", "fps"), [(8, 60.0), (10, 30.0), (12, 30.0)])
async def test_linux_is_tied_to_the_release_of_its_buffer(
    policy: SyncPolicy, render_ms: int, fps: float
) -> None:
    result = await measure(policy, render_ms, frames=60, kernel=find_kernel())
    assert (result.fps, result.torn, result.early_reuse) == (fps, 0, 0)
