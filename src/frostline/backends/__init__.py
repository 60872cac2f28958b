"""Who carries out independent pieces of work: this process, or several beside it. Nothing here knows what the work is."""

from __future__ import annotations

from frostline.backends.backend import Backend, Lost, Watch
from frostline.backends.process import Process
from frostline.backends.serial import Serial

__all__ = ["Backend", "Lost", "Process", "Serial", "Watch"]
