"""The servers that can be measured."""
from .base import Unavailable
from .command import Command
from .ferryd import Single, Split
from .openssh import OpenSSH

__all__ = ["Command", "OpenSSH", "Single", "Split", "Unavailable"]
