"""What an exported file does with a whole image before the network sees it, as a graph of ONNX.

The input ``image`` is uint8 (1, height, width, 3): upright RGB of any size, as a decoder gives it. It is brought to the
network's size by the rules of `ecrnn.data.fitting`. The steps are written in ONNX's own text form, in operators of the
standard. Decoding JPEG and turning by EXIF are not for ONNX to say.

Cuts at whole pixels are Slice and Resize with antialiasing, which on uint8 is at most one level from Pillow's. Resize
cannot cut at fractions of pixels; where a model was trained so, two products of matrices do what Pillow does, columns
first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecrnn.core.form import FIT_BEFORE, Fit

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT, OUTPUT = "image", "pixels"
_RESIZE = 'Resize <mode = "linear", antialias = 1, exclude_outside = 1, coordinate_transformation_mode = "half_pixel">'


def image_graph(size: tuple[int, int, int], fit: Fit) -> str:
    """From ``image`` to ``pixels``, uint8 (1, H, W, C), as the body of a graph in text.

    Args:
        size: (C, H, W) of the network.
        fit: rule by which another shape becomes this one.
    """
    channels, height, width = size
    target = f"""
    image_H = Constant <value = int64[1] {{{height}}}> ()
    image_W = Constant <value = int64[1] {{{width}}}> ()"""
    if fit == FIT_BEFORE:
        return _colours(INPUT, channels) + _sides(target) + _cut_at_fractions()
    if fit == "stretch":
        return _colours(INPUT, channels) + target + _resized("image_colours", "image_H, image_W", channels, OUTPUT)
    steps = _cut(channels) if fit == "cut" else _pad(channels)
    return f"""
    image_one = Constant <value = int64[1] {{1}}> ()
    image_two = Constant <value = int64[1] {{2}}> (){_sides(target)}{steps}"""


def line_graph(height: int, widths: tuple[int, int]) -> str:
    """From ``image`` to ``pixels``, uint8 (1, H, W, 1), and ``widths``, int64 (1,), of an image of a line of text.

    Args:
        height: of the result; its width goes with it.
        widths: the least and the largest width.
    """
    target = f"\n    image_H = Constant <value = int64[1] {{{height}}}> ()"
    return f"""{_colours(INPUT, 1)}{_sides(target)}
    image_real_H = Cast <to = 11> (image_H)
    image_exact_over = Mul (image_w_real, image_real_H)
    image_exact = Div (image_exact_over, image_h_real)
    image_round = Round (image_exact)
    image_whole_width = Cast <to = 7> (image_round)
    image_least = Constant <value = int64 {{{widths[0]}}}> ()
    image_most = Constant <value = int64 {{{widths[1]}}}> ()
    widths = Clip (image_whole_width, image_least, image_most)
    image_W = Identity (widths){_cut_at_fractions()}"""


def standing_before(body: str, rest: ModelProto) -> ModelProto:
    """The graph of `image_graph` or `line_graph` alone, with the versions of the model that it will stand before.

    Args:
        body: as these functions give it.
        rest: whose inputs the graph gives.
    """
    parser: Any = import_module("onnx.parser")
    outputs = ", ".join(_declared(value) for value in rest.graph.input)
    opset = next(one.version for one in rest.opset_import if one.domain in ("", "ai.onnx"))
    text = (
        f'<ir_version: {rest.ir_version}, opset_import: ["" : {opset}]>\n'
        f"image (uint8[1, image_height, image_width, 3] {INPUT}) => ({outputs}) {{{body}\n}}"
    )
    model: ModelProto = parser.parse_model(text)
    return model


def joined(before: ModelProto, rest: ModelProto) -> ModelProto:
    """The two models one after the other, for a batch of one image."""
    compose: Any = import_module("onnx.compose")
    names = [(value.name, value.name) for value in rest.graph.input]
    model: ModelProto = compose.merge_models(before, rest, io_map=names, name=rest.graph.name)
    del model.opset_import[:]
    model.opset_import.extend(rest.opset_import)
    model.producer_name, model.producer_version = rest.producer_name, rest.producer_version
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    return model


def _declared(value: Any) -> str:
    """A name with its type and shape, for one image, in text."""
    kind = {2: "uint8", 7: "int64"}[value.type.tensor_type.elem_type]
    sides = (str(side.dim_value or side.dim_param) for side in value.type.tensor_type.shape.dim[1:])
    return f"{kind}[{', '.join(('1', *sides))}] {value.name}"


def _sides(target: str) -> str:
    """Sides of the target, as it gives them, and of the image, as whole numbers and as double."""
    return f"""{target}
    image_h = Shape <start = 1, end = 2> ({INPUT})
    image_w = Shape <start = 2, end = 3> ({INPUT})
    image_h_real = Cast <to = 11> (image_h)
    image_w_real = Cast <to = 11> (image_w)"""


def _cut(channels: int) -> str:
    """The largest centred part of the shape: min(w, h * W / H) by min(h, w * H / W) pixels."""
    wide, high = _divided("wide", "image_h", "image_W", "image_H"), _divided("high", "image_w", "image_H", "image_W")
    left, top = _middle("left", "image_w", "image_part_w"), _middle("top", "image_h", "image_part_h")
    return f"""{wide}{high}
    image_part_w0 = Min (image_w, image_wide)
    image_part_w = Max (image_one, image_part_w0)
    image_part_h0 = Min (image_h, image_high)
    image_part_h = Max (image_one, image_part_h0){left}{top}
    image_right = Add (image_left, image_part_w)
    image_bottom = Add (image_top, image_part_h)
    image_starts = Concat <axis = 0> (image_top, image_left)
    image_ends = Concat <axis = 0> (image_bottom, image_right)
    image_axes = Constant <value = int64[2] {{1, 2}}> ()
    image_part = Slice ({INPUT}, image_starts, image_ends, image_axes){_colours("image_part", channels)}{
        _resized("image_colours", "image_H, image_W", channels, OUTPUT)
    }"""


def _pad(channels: int) -> str:
    """The whole image, as large as it fits in, on black: min(W, w * H / h) by min(H, h * W / w) pixels."""
    wide, high = _divided("wide", "image_w", "image_H", "image_h"), _divided("high", "image_h", "image_W", "image_w")
    left, top = _middle("left", "image_W", "image_part_w"), _middle("top", "image_H", "image_part_h")
    return f"""{wide}{high}
    image_part_w0 = Min (image_W, image_wide)
    image_part_w = Max (image_one, image_part_w0)
    image_part_h0 = Min (image_H, image_high)
    image_part_h = Max (image_one, image_part_h0){left}{top}
    image_right = Sub (image_left_over, image_left)
    image_bottom = Sub (image_top_over, image_top){_colours(INPUT, channels)}{
        _resized("image_colours", "image_part_h, image_part_w", channels, "image_small")
    }
    image_none = Constant <value = int64[1] {{0}}> ()
    image_edges = Concat <axis = 0> (
        image_none, image_top, image_left, image_none, image_none, image_bottom, image_right, image_none
    )
    image_black = Constant <value = uint8 {{0}}> ()
    {OUTPUT} = Pad (image_small, image_edges, image_black)"""


def _resized(source: str, sides: str, channels: int, result: str) -> str:
    return f"""
    image_batch = Constant <value = int64[1] {{1}}> ()
    image_channels = Constant <value = int64[1] {{{channels}}}> ()
    image_size = Concat <axis = 0> (image_batch, {sides}, image_channels)
    {result} = {_RESIZE} ({source}, , , image_size)"""


def _divided(name: str, a: str, b: str, by: str) -> str:
    """a * b / by, rounded half up, in whole numbers."""
    return f"""
    image_{name}_product = Mul ({a}, {b})
    image_{name}_twice = Mul (image_{name}_product, image_two)
    image_{name}_above = Add (image_{name}_twice, {by})
    image_{name}_by = Mul ({by}, image_two)
    image_{name} = Div (image_{name}_above, image_{name}_by)"""


def _middle(name: str, whole: str, part: str) -> str:
    """Half of what is left over, rounded down; and all that is left over."""
    return f"""
    image_{name}_over = Sub ({whole}, {part})
    image_{name} = Div (image_{name}_over, image_two)"""


def _colours(source: str, channels: int) -> str:
    """``image_colours``: as they are, or grey by Pillow's rule, (19595 R + 38470 G + 7471 B + 32768) / 65536."""
    if channels == 3:
        return f"""
    image_colours = Identity ({source})"""
    return f"""
    image_numbers = Cast <to = 6> ({source})
    image_luma = Constant <value = int32[3] {{19595, 38470, 7471}}> ()
    image_weighted = Mul (image_numbers, image_luma)
    image_last = Constant <value = int64[1] {{3}}> ()
    image_sum = ReduceSum <keepdims = 1> (image_weighted, image_last)
    image_half_level = Constant <value = int32 {{32768}}> ()
    image_rounded = Add (image_sum, image_half_level)
    image_scale = Constant <value = int32 {{65536}}> ()
    image_levels = Div (image_rounded, image_scale)
    image_colours = Cast <to = 2> (image_levels)"""


def _cut_at_fractions() -> str:
    """The largest centred part of the shape, at fractions of pixels: min(w, h * W / H) by min(h, w * H / W)."""
    return f"""
    image_zero = Constant <value = double {{0}}> ()
    image_half = Constant <value = double {{0.5}}> ()
    image_unit = Constant <value = double {{1}}> ()
    image_from = Constant <value = int64 {{0}}> ()
    image_step = Constant <value = int64 {{1}}> ()
    image_scalar = Constant <value = int64[0] {{}}> ()
    image_H_number = Cast <to = 11> (image_H)
    image_W_number = Cast <to = 11> (image_W)
    image_ratio = Div (image_W_number, image_H_number)
    image_wide = Mul (image_ratio, image_h_real)
    image_high = Div (image_w_real, image_ratio)
    image_part_w = Min (image_w_real, image_wide)
    image_part_h = Min (image_h_real, image_high){_weights("w", "W")}{_weights("h", "H")}
    image_planes = Transpose <perm = [0, 3, 1, 2]> (image_colours)
    image_values = Cast <to = 1> (image_planes)
    image_weights_of_w = Transpose <perm = [1, 0]> (image_weights_w)
    image_across = MatMul (image_values, image_weights_of_w)
    image_half_of_level = Constant <value = float {{0.5}}> ()
    image_across_above = Add (image_across, image_half_of_level)
    image_across_whole = Floor (image_across_above)
    image_down = MatMul (image_weights_h, image_across_whole)
    image_down_above = Add (image_down, image_half_of_level)
    image_down_whole = Floor (image_down_above)
    image_lowest = Constant <value = float {{0}}> ()
    image_highest = Constant <value = float {{255}}> ()
    image_bounded = Clip (image_down_whole, image_lowest, image_highest)
    image_bytes = Cast <to = 2> (image_bounded)
    {OUTPUT} = Transpose <perm = [0, 2, 3, 1]> (image_bytes)"""


def _weights(side: str, target: str) -> str:
    """``image_weights_<side>`` (target, side), float32: Pillow's for a bilinear reduction, rows sum to 1.

    Pixel j of the image counts 1 - |j + 0.5 - c| / s for pixel i of the result, where that is above 0, with
    c = begin + (i + 0.5) * scale, scale = part / target, s = max(1, scale).
    """
    p, whole, part, result = f"image_{side}_", f"image_{side}_real", f"image_part_{side}", f"image_{target}_number"
    return f"""
    {p}over = Sub ({whole}, {part})
    {p}begin = Mul ({p}over, image_half)
    {p}scale = Div ({part}, {result})
    {p}reach = Max ({p}scale, image_unit)
    {p}i_end = Reshape (image_{target}, image_scalar)
    {p}i_whole = Range (image_from, {p}i_end, image_step)
    {p}i = Cast <to = 11> ({p}i_whole)
    {p}i_middle = Add ({p}i, image_half)
    {p}i_scaled = Mul ({p}i_middle, {p}scale)
    {p}centres = Add ({p}i_scaled, {p}begin)
    {p}j_end = Reshape (image_{side}, image_scalar)
    {p}j_whole = Range (image_from, {p}j_end, image_step)
    {p}j = Cast <to = 11> ({p}j_whole)
    {p}j_middle = Add ({p}j, image_half)
    {p}second = Constant <value = int64[1] {{1}}> ()
    {p}column = Unsqueeze ({p}centres, {p}second)
    {p}off = Sub ({p}j_middle, {p}column)
    {p}far = Abs ({p}off)
    {p}relative = Div ({p}far, {p}reach)
    {p}near = Sub (image_unit, {p}relative)
    {p}heights = Max ({p}near, image_zero)
    {p}sums = ReduceSum <keepdims = 1> ({p}heights, {p}second)
    {p}exact = Div ({p}heights, {p}sums)
    image_weights_{side} = Cast <to = 1> ({p}exact)"""
