"""Decoding with an encoder-decoder: the most likely next id at each step (greedy), or beam search.

A model takes part by `begin(memory) -> state` and `step(tokens, state, memory) -> (logits, state)`, where memory, from
its encoder, and state are tuples of tensors with the batch first. Every text begins with BEGIN and is written until END
or a limit; PAD, UNKNOWN and BEGIN are never written, as nobody could read them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecrnn.core.errors import EcrnnError, NotFiniteError
from ecrnn.data.vocabulary import BEGIN, END, PAD, UNKNOWN


@torch.no_grad()
def greedy(model: Any, memory: Any, limit: int) -> list[list[int]]:
    """Write the most likely id, again and again.

    Args:
        model: with `begin` and `step`, in evaluation mode.
        memory: from its `encode`, of B sources.
        limit: most ids of a text.

    Returns:
        A list of ids for each source, without BEGIN and END.

    Raises:
        NotFiniteError: the model's logits are not finite; ``row`` is the source.
    """
    state, tokens = model.begin(memory), _begins(memory)
    ended = torch.zeros_like(tokens, dtype=torch.bool)
    written = []
    for _ in range(limit):
        log_p, state = _step(model, tokens, state, memory)
        tokens = log_p.argmax(1).masked_fill(ended, END)
        ended |= tokens == END
        if ended.all():
            break
        written.append(tokens)
    return _texts(torch.stack(written, 1)) if written else [[] for _ in range(len(tokens))]


@torch.no_grad()
def beam(model: Any, memory: Any, limit: int, width: int, length_penalty: float = 1.0) -> list[list[int]]:
    """Beam search: the best text among those that are found with ``width`` open ones at each step.

    A text's score is the sum of the log-probabilities of its ids and of END, divided by their number to the power of
    ``length_penalty``. At each step all continuations of the open texts are put in order; those among the best
    ``width`` that end are done, and the best ``width`` that do not stay open. A search is over when ``width`` texts are
    done, or none that is open could still win. With a width of 1 this is `greedy`.

    Args:
        model: with `begin` and `step`, in evaluation mode.
        memory: from its `encode`, of B sources.
        limit: most ids of a text; one is cut there if none has ended.
        width: open texts of a source, at least 1.
        length_penalty: at least 0. 1 compares mean log-probabilities; 0 sums, which favours short texts.

    Returns:
        A list of ids for each source, without BEGIN and END.

    Raises:
        EcrnnError: a width or a penalty out of bounds.
        NotFiniteError: as `greedy`.
    """
    if width < 1 or length_penalty < 0:
        raise EcrnnError(f"beam search needs a width from 1 and a length penalty from 0, not {width}, {length_penalty}")
    first = _begins(memory)
    batch, device = len(first), first.device
    rows = torch.arange(batch, device=device)[:, None]  # (B, 1)
    each = rows.expand(-1, width).flatten()  # of a source, once for each open text
    state, memory, tokens = _rows(model.begin(memory), each), _rows(memory, each), first[each]
    scores = torch.full((batch, width), -torch.inf, device=device)
    scores[:, 0] = 0  # all open texts are the same at first
    texts = torch.empty(batch, width, 0, dtype=torch.int64, device=device)
    best, done = torch.full((batch,), -torch.inf, device=device), torch.zeros(batch, dtype=torch.int64, device=device)
    found = torch.full((batch, limit), END, device=device)
    for length in range(1, limit + 2):  # with END
        log_p, state = _step(model, tokens, state, memory, width)
        ids = log_p.shape[1]
        candidates = (scores[:, :, None] + log_p.view(batch, width, ids)).flatten(1)  # (B, width * ids)
        values, at = candidates.topk(min(2 * width, candidates.shape[1]))  # of which at most width end
        parents, nexts = at // ids, at % ids
        ends = (nexts == END) & (values > -torch.inf)

        final = values[:, :width].masked_fill(~ends[:, :width], -torch.inf) / length**length_penalty
        now, which = final.max(1)
        better = now > best
        best = torch.where(better, now, best)
        found[better, : length - 1] = texts[rows[:, 0], parents[rows[:, 0], which]][better]
        found[better, length - 1 :] = END
        done += ends[:, :width].sum(1)

        go_on = (nexts == END).long().argsort(dim=1, stable=True)[:, :width]  # the best that do not end
        scores, parents, nexts = (part.gather(1, go_on) for part in (values, parents, nexts))
        texts = torch.cat([texts[rows, parents], nexts[:, :, None]], 2)
        over = (done >= width) | (best >= scores[:, 0] / (limit + 1) ** length_penalty)
        scores = scores.masked_fill(over[:, None], -torch.inf)
        if over.all():
            break
        tokens = nexts.flatten()
        state = _rows(state, (rows * width + parents).flatten())
    cut = texts[:, 0, :limit]
    none = best == -torch.inf
    found[none, : cut.shape[1]] = cut[none]
    return _texts(found)


def _step(model: Any, tokens: Tensor, state: Any, memory: Any, width: int = 1) -> tuple[Tensor, Any]:
    """Log-probabilities (B, V) of what may come next, and the next state; each source has ``width`` rows."""
    logits, state = model.step(tokens, state, memory)
    log_p = logits.float().log_softmax(1)
    if (bad := log_p.isnan().any(1)).any():  # a logit is NaN or infinity; minus infinity is an id that never comes
        raise NotFiniteError(int(bad.long().argmax()) // width)
    log_p[:, [PAD, UNKNOWN, BEGIN]] = -torch.inf
    return log_p, state


def _begins(memory: Any) -> Tensor:
    return torch.full((len(memory[0]),), BEGIN, device=memory[0].device)


def _rows(parts: Any, index: Tensor) -> Any:
    """The same tuple with these rows of each tensor."""
    chosen = [part[index] for part in parts]
    return type(parts)(*chosen) if hasattr(parts, "_fields") else tuple(chosen)


def _texts(ids: Tensor) -> list[list[int]]:
    """Rows (B, T) up to their END."""
    return [row[: row.index(END)] if END in row else row for row in ids.tolist()]
