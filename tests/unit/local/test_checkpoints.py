"""Checkpoints on this machine: an attempt goes on from what the one before has left."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests import builders
from tests.unit.local import bench
from tuning_operator.local import folder

COUNT = """
cd "$TUNING_CHECKPOINT_DIR"
step=$(cat step 2>/dev/null || echo 0)
while [ "$step" -lt 8 ]; do
  step=$((step + 1)); echo "$step" > step
  echo "{\\"step\\": $step, \\"accuracy\\": $HP_x}" >> "$TUNING_METRICS_FILE"
  sleep 0.1
done
"""


def saved(tmp_path: Path) -> dict[int, str]:
    home = folder.Folder(tmp_path / "state")
    found = {number: home.checkpoints(number) / "step" for number in range(5)}
    return {number: path.read_text().strip() for number, path in found.items() if path.exists()}


async def test_an_attempt_goes_on_where_the_one_before_was_ended(tmp_path: Path) -> None:
    manifest = bench.job(COUNT, trials=1, checkpoints={})
    async with bench.opened(tmp_path, manifest) as made:
        running = asyncio.create_task(made.run())
        while saved(tmp_path).get(0, "") < "3":
            await asyncio.sleep(0.02)
        made.interrupt()
        await running
    done = await bench.run(tmp_path, manifest)
    (item,) = done.trials
    (metric,) = item.status.metrics
    assert item.status.phase == "Succeeded"
    assert len(item.status.attempts) == 2
    assert metric.count < 8
    assert metric.last_step == 8


async def test_only_the_best_are_kept(tmp_path: Path) -> None:
    points = [{"x": x} for x in (0.2, 0.9, 0.1)]
    script = 'echo 1 > "$TUNING_CHECKPOINT_DIR/step"; ' + bench.REPORT
    manifest = bench.job(
        script, trials=3, parameters=[builders.real("x")], search={"startFrom": points}, checkpoints={"keep": 1}
    )
    await bench.run(tmp_path, manifest)
    assert saved(tmp_path) == {1: "1"}


async def test_they_may_be_in_another_place(tmp_path: Path) -> None:
    script = 'echo 1 > "$TUNING_CHECKPOINT_DIR/step"; ' + bench.REPORT
    await bench.run(tmp_path, bench.job(script, trials=1, checkpoints={"path": "elsewhere"}))
    assert (tmp_path / "elsewhere" / "0000" / "step").read_text() == "1\n"
