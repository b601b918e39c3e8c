"""Logs: JSON lines in a file, short lines for people from warnings up."""

import json
from pathlib import Path

import pytest
import structlog

from everycent.base.platform.logs import set_up_logs
from everycent.base.platform.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _default_logs_afterwards():
    yield
    structlog.reset_defaults()


def test_lines_go_to_the_file_and_warnings_to_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    settings = Settings(data_dir=tmp_path)
    set_up_logs(settings, {})
    log = structlog.get_logger()
    log.debug("too fine")
    log.info("batch committed", batch_no=3, file="销售.csv")
    log.warning("slow disk", fsync_ms=900)
    lines = [json.loads(line) for line in settings.log_file.read_text().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("batch committed", "info"), ("slow disk", "warning")]
    assert lines[0]["batch_no"] == 3 and lines[0]["file"] == "销售.csv" and lines[0]["timestamp"].endswith("Z")
    assert capsys.readouterr().err == "warning: slow disk fsync_ms=900\n"


def test_the_level_is_set_by_the_environment(tmp_path: Path):
    set_up_logs(Settings(data_dir=tmp_path), {"EVERYCENT_LOG": "error"})
    structlog.get_logger().info("nobody hears this")
    assert Settings(data_dir=tmp_path).log_file.read_text() == ""
    with pytest.raises(SettingsError, match="EVERYCENT_LOG is 'loud'"):
        set_up_logs(Settings(data_dir=tmp_path), {"EVERYCENT_LOG": "loud"})


def test_without_a_writable_file_the_screen_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "logs").write_text("in the way")
    set_up_logs(Settings(data_dir=tmp_path), {})
    structlog.get_logger().error("still heard")
    assert "no log is kept" in (seen := capsys.readouterr().err) and "error: still heard" in seen
