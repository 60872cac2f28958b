"""Starting the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import uvicorn
from torch import nn

from frostline.errors import OptionError
from frostline.export.bundle import load, model_folder
from frostline.export.neighbours import read_neighbours
from frostline.export.rule import label_rule
from frostline.export.serve.app import LOCAL_NAMES, create_app
from frostline.export.serve.limits import Limits

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    source: Path,
    host: str,
    port: int,
    backbone: str | Callable[[], nn.Module] | None,
    abstain_below: float,
    threshold: str | float | None,
    limits: Limits | None = None,
) -> None:
    """Answer until the process is told to stop.

    Raises:
        InputError: no model, or an address that cannot be used.
    """
    model = load(source, backbone)
    rule = label_rule(source, model, abstain_below, threshold)
    hosts = LOCAL_NAMES if host in LOOPBACK else ("*",)
    app = create_app(model, rule=rule, limits=limits, neighbours=read_neighbours(model_folder(source)), hosts=hosts)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=10,
        h11_max_incomplete_event_size=65536,
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit as error:  # uvicorn's word for an address in use
        raise OptionError(f"{host}:{port} cannot be listened on; it may be in use. Give another with --port.") from error
