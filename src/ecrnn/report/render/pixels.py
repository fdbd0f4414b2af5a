"""Arrays as small PNG images that stand inside a page."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

FOR, AGAINST = np.array([214, 69, 0]), np.array([0, 92, 200])  # orange and blue, which most eyes tell apart


def uri(png: bytes) -> str:
    """A PNG file as the address of an image."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def png(array: np.ndarray) -> bytes:
    """A PNG file of uint8 (H, W), (H, W, 1) or (H, W, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array).save(buffer, "PNG")
    return buffer.getvalue()


def overlaid(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A map over the grey image: orange what speaks for the class, blue what speaks against it.

    Args:
        image: uint8 (H, W, C).
        values: (H, W); the largest absolute value has the full colour.

    Returns:
        uint8 (H, W, 3).
    """
    grey = image.astype(np.float64).mean(axis=2, keepdims=True).repeat(3, axis=2)
    grey = 128 + (grey - 128) * 0.6
    largest = float(np.abs(values).max())
    strength = np.abs(values)[..., None] / largest if largest else np.zeros((*values.shape, 1))
    colour = np.where(values[..., None] > 0, FOR, AGAINST)
    return np.rint(grey + 0.85 * strength * (colour - grey)).clip(0, 255).astype(np.uint8)


def tiled(maps: np.ndarray, gap: int = 1) -> np.ndarray:
    """Maps (n, h, w) side by side, each from black (its smallest value) to white, uint8 (h, n * (w + gap) - gap)."""
    low, high = (end(maps, axis=(1, 2), keepdims=True) for end in (np.min, np.max))
    scaled = 255 * (maps - low) / np.where(high > low, high - low, 1)
    padded = np.pad(scaled, ((0, 0), (0, 0), (0, gap)), constant_values=128)
    return np.concatenate(list(padded), axis=1)[:, : -gap or None].round().astype(np.uint8)


def filter_sheet(filters: np.ndarray, columns: int = 16) -> np.ndarray:
    """Filters (n, channels, h, w) in rows: in colour where they read three channels, else of their first one; uint8."""
    colours = filters if filters.shape[1] == 3 else filters[:, :1].repeat(3, axis=1)
    low, high = (end(colours, axis=(1, 2, 3), keepdims=True) for end in (np.min, np.max))
    scaled = (255 * (colours - low) / np.where(high > low, high - low, 1)).transpose(0, 2, 3, 1)  # (n, h, w, 3)
    cells = np.pad(scaled, ((0, -len(scaled) % columns), (0, 1), (0, 1), (0, 0)), constant_values=128)
    rows, (height, width) = len(cells) // columns, cells.shape[1:3]
    sheet = cells.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return sheet.reshape(rows * height, columns * width, 3)[:-1, :-1].round().astype(np.uint8)


def over_time(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values (T, H) as an image of H rows and T columns, from ``low`` (black) to ``high`` (white), uint8."""
    return np.rint(255 * (values.T.clip(low, high) - low) / (high - low)).astype(np.uint8)
