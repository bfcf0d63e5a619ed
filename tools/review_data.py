"""Look at the training messages: how many there are, which say the same twice, and which labels look wrong.

    uv run python tools/review_data.py            # counts by intent and variety, near-duplicates, suspicious labels
    uv run python tools/review_data.py --errors 200 --out review.tsv

A label is suspicious where a model trained on the other messages (five folds, the product's n-grams; its sentence vectors
were tuned on all of them and doubt nothing) is sure of another one. Read each before you change it: the model is often the one that is wrong.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bot.brain.messages import VARIETIES, Example, read_messages
from bot.brain.nlu.intent import intent_ngrams
from bot.brain.nlu.linear import LinearModel, View, hinge
from bot.text import normalize

FEWEST = 15  # messages per intent and variety
console = Console()


def counts(examples: list[Example]) -> None:
    """How many messages each intent has in each variety; too few in red."""
    counted = Counter((one.intent, one.lang) for one in examples)
    table = Table("intent", *VARIETIES, "all", title=f"{len(examples)} messages")
    for intent in sorted({one.intent for one in examples}):
        row = [counted[intent, variety] for variety in VARIETIES]
        table.add_row(intent, *(str(n) if n >= FEWEST else f"[red]{n}[/]" for n in row), str(sum(row)))
    console.print(table)


def near_duplicates(examples: list[Example], likeness: float) -> list[tuple[Example, Example, float]]:
    """Pairs whose character n-grams are alike by more than `likeness` (cosine)."""
    texts = [normalize(one.text) for one in examples]
    rows = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), dtype=np.float32).fit_transform(texts)
    found = []
    for start in range(0, rows.shape[0], 1000):
        alike = (rows[start : start + 1000] @ rows.T).tocoo()
        for low, high, value in zip(alike.row + start, alike.col, alike.data, strict=True):
            if low < high and value > likeness:
                found.append((examples[low], examples[high], float(value)))
    return sorted(found, key=lambda pair: -pair[2])


def suspicious(examples: list[Example], folds: int) -> list[tuple[Example, str, float]]:
    """Messages of which a model of the others is sure that they mean something else, surest first."""
    texts, labels = [one.text for one in examples], [one.intent for one in examples]
    ngrams = hstack([kind.fit(texts) for kind in intent_ngrams().values()], format="csr")
    found = []
    right = 0
    by_variety: Counter[tuple[str, bool]] = Counter()
    for known, held in StratifiedKFold(folds, shuffle=True, random_state=0).split(texts, labels):
        model = LinearModel.fit([View(ngrams[known], hinge(0.5))], [labels[place] for place in known])
        for place, chances in zip(held, model.probabilities(ngrams[held]), strict=True):
            best = int(np.argmax(chances))
            hit = model.labels[best] == labels[place]
            right += hit
            by_variety[examples[place].lang, hit] += 1
            if not hit and chances[best] > 0.7:
                found.append((examples[place], model.labels[best], float(chances[best])))
    console.print(f"Accuracy in cross-validation: {right / len(labels):.3f}", end="; ")
    shares = (f"{v} {by_variety[v, True] / max(1, by_variety[v, True] + by_variety[v, False]):.3f}" for v in VARIETIES)
    console.print(", ".join(shares), soft_wrap=True)
    return sorted(found, key=lambda row: -row[2])


def main(
    near: Annotated[float, typer.Option(help="Likeness from which two messages are near-duplicates.")] = 0.85,
    errors: Annotated[int, typer.Option(help="How many suspicious labels to show; 0 leaves them out.")] = 60,
    folds: int = 5,
    out: Annotated[Path | None, typer.Option(help="Write all of them here, tab-separated.")] = None,
) -> None:
    examples = list(read_messages())
    counts(examples)
    pairs = near_duplicates(examples, near)
    console.print(f"\n{len(pairs)} near-duplicates:")
    for one, other, value in pairs[:errors]:
        mark = "" if one.intent == other.intent else "  <- other intent"
        console.print(f"{value:.2f}  {one.intent}: {one.text}  |  {other.intent}: {other.text}{mark}", markup=False)
    if not errors:
        return
    doubts = suspicious(examples, folds)
    console.print(f"\n{len(doubts)} suspicious labels:")
    for one, guess, sure in doubts[:errors]:
        console.print(f"{sure:.2f}  {one.intent} -> {guess}  [{one.lang}] {one.text}", markup=False, soft_wrap=True)
    if out:
        lines = [f"{sure:.3f}\t{one.intent}\t{guess}\t{one.lang}\t{one.text}" for one, guess, sure in doubts]
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
