"""Draws layer.svg and balance.svg, the pictures of layer.md:  python docs/draw_layer.py

The second shows a measurement: a small layer is trained twice, with and without balancing losses,
which takes some seconds.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from drawing import EXPERT, MIXTURE, PLAIN, arrow, box, save
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn import functional as F

from moe_nmt.moe import (
    balance_figures,
    build_mixture_of_experts,
    importance_loss,
    load_loss,
)

TOKENS = ("#b6d7a8", "#a4c2f4", "#d5a6bd")
# Token, expert and gate of each assignment; no token goes to the second expert.
ASSIGNMENTS = [(0, 0, 0.7), (0, 2, 0.3), (1, 2, 0.6), (1, 3, 0.4), (2, 0, 0.8), (2, 3, 0.2)]
EXPERTS, K, DIM, CLUSTERS = 16, 2, 16, 64


def draw_layer(axes: Axes) -> None:
    """Three tokens, four experts, k = 2: from left to right."""
    token_at, row_at = (4.5, 2.5, 0.5), (5.0, 4.0, 3.0, 2.0, 1.0, 0.0)
    by_expert = sorted(range(6), key=lambda a: ASSIGNMENTS[a][1])
    place = {assignment: row_at[row] for row, assignment in enumerate(by_expert)}
    for t, (y, color) in enumerate(zip(token_at, TOKENS, strict=True)):
        box(axes, (0, y), f"x{t + 1}", color, 0.8)
        arrow(axes, (0.4, y), (1.4, y))
        box(axes, (15.4, y), f"y{t + 1}", color, 0.8)
    box(axes, (2, 2.5), "gate", MIXTURE, 1.2, 5.6)
    for a, (t, e, gate) in enumerate(ASSIGNMENTS):
        y, sorted_y = row_at[a], place[a]
        arrow(axes, (2.6, y), (3.4, y))
        box(axes, (4.3, y), f"x{t + 1} → E{e + 1}: {gate}", TOKENS[t], 1.8)
        arrow(axes, (5.2, y), (7.1, sorted_y), TOKENS[t])
        box(axes, (7.5, sorted_y), f"x{t + 1}", TOKENS[t], 0.8)
        arrow(axes, (7.9, sorted_y), (8.7, sorted_y))
        arrow(axes, (10.3, sorted_y), (11.1, sorted_y))
        box(axes, (11.9, sorted_y), f"E{e + 1}(x{t + 1})", TOKENS[t], 1.6)
        arrow(axes, (12.7, sorted_y), (15.0, token_at[t]), TOKENS[t])
        at = 0.12  # of the arrow's length
        axes.text(
            12.7 + 2.3 * at,
            sorted_y + (token_at[t] - sorted_y) * at + 0.22,
            str(gate),
            fontsize=8,
            ha="center",
        )
    for name, y in (("E1", 4.5), ("E3", 2.5), ("E4", 0.5)):
        box(axes, (9.5, y), name, EXPERT, 1.6, 1.6)
    box(axes, (9.5, -1.0), "E2: no token, no work", PLAIN, 3.4)
    heads = {0: "tokens", 2: "gate.py", 4.3: "Routing", 7.5: "dispatch.py", 9.5: "experts.py"}
    heads |= {11.9: "outputs", 14.0: "combine (dispatch.py)"}
    for x, head in heads.items():
        axes.text(x, 6.1, head, ha="center", fontsize=10, color="#444444")
    axes.text(6.15, -0.75, "sorted by expert", ha="center", fontsize=9, color="#444444")
    axes.text(14.0, -0.75, "weighted sum", ha="center", fontsize=9, color="#444444")


def tokens_of_clusters(tokens: int) -> tuple[Tensor, Tensor]:
    """Random tokens round centres that are not equally frequent, and the centre of each."""
    centres = torch.randn(CLUSTERS, DIM, generator=torch.Generator().manual_seed(0))
    frequency = 1 / torch.arange(1.0, CLUSTERS + 1)  # Zipf's law, as words have it
    cluster = torch.multinomial(frequency, tokens, replacement=True)
    return centres[cluster] + 0.3 * torch.randn(tokens, DIM), cluster


def load_after_training(weight: float, updates: int = 600) -> tuple[Tensor, float]:
    """Trains a layer to transform each cluster in a way of its own.

    Args:
        weight: of both balancing losses.
        updates: of 512 tokens each.

    Returns:
        The number of tokens of each expert [experts], of 16384, and the last error of training.
    """
    torch.manual_seed(1)
    matrices = torch.randn(CLUSTERS, DIM, DIM) / DIM**0.5
    layer = build_mixture_of_experts(DIM, 32, EXPERTS, K)
    optimizer = torch.optim.Adam(layer.parameters(), 0.01)
    for _ in range(updates):
        x, cluster = tokens_of_clusters(512)
        y, routing = layer(x)
        target = torch.bmm(x[:, None], matrices[cluster])[:, 0]
        error = F.mse_loss(y, target)
        loss = error + weight * (importance_loss(routing) + load_loss(routing))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        routing = layer.gate(tokens_of_clusters(16384)[0])
    return routing.tokens_per_expert().float(), error.item()


def draw_load(axes: Axes, load: Tensor, title: str) -> None:
    """Bars of each expert's load, the busiest first, and a line at their mean."""
    share = load.sort(descending=True).values / load.mean()
    figures = balance_figures(load, load)
    axes.bar(range(1, EXPERTS + 1), share.tolist(), color=MIXTURE, edgecolor="#b45f06")
    axes.axhline(1, color="#444444", lw=1, ls="--")
    axes.set_title(
        f"{title}\nCV {figures.load_cv:.2f}, max/mean {figures.max_over_mean_load:.2f}", fontsize=10
    )
    axes.set_xlabel("experts, the busiest first")
    axes.set_xticks([1, EXPERTS])
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Writes the pictures beside this file."""
    figure, axes = plt.subplots(figsize=(12, 4.9))
    draw_layer(axes)
    axes.set_xlim(-0.6, 16)
    axes.set_ylim(-1.5, 6.5)
    axes.axis("off")
    save(figure, "layer.svg")

    figure, panels = plt.subplots(1, 3, figsize=(10, 2.8), sharey=True)
    for panel, weight in zip(panels, (0.0, 0.01, 0.1), strict=True):
        load, error = load_after_training(weight)
        draw_load(panel, load, f"both losses at {weight}" if weight else "no loss")
        print(f"both losses at {weight}: error {error:.4f}, load {load.int().tolist()}")
    panels[0].set_ylabel("tokens / mean")
    save(figure, "balance.svg")


if __name__ == "__main__":
    main()
