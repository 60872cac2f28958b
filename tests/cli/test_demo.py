"""The demo, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_comes_to_a_verdict_within_five_minutes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "frostline.cli", "demo", "-o", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("$ frostline search ")
    assert (tmp_path / "run" / "report.html").is_file()
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["seconds"] < 300
