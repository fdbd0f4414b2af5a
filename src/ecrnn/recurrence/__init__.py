"""RNN, LSTM and GRU: drop-ins for torch.nn's, and the same equations in NumPy float64 as their oracle.

``LSTM``, ``GRU``, ``RNN``, ``configure``, ``replace`` and ``to_torch`` are loaded on first use, so that
``ecrnn.recurrence.reference`` can be imported without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecrnn.recurrence.modules import GRU, LSTM, RNN, configure
    from ecrnn.recurrence.replacing import replace, to_torch

__all__ = ["GRU", "LSTM", "RNN", "configure", "replace", "to_torch"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from ecrnn.recurrence import modules, replacing

    return getattr(replacing if name in replacing.__all__ else modules, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
