"""Which way is best with 16 to 1,024 labelled e-mails: data and spec of the study.

    make minilm smollm2
    python benchmarks/few_labels.py mail|enron --data DIR --work DIR
    rootstock study DIR/mail.yaml

Writes 2,500 e-mails, subject and body as one text of at most 20,000 characters, no text twice, and
the study of `examples/spam/few_labels.yaml` on them: 128 tokens (MiniLM in up to four windows), 150
steps of pretraining on texts, five seeds. 70 minutes of one core for each set.
"""

from __future__ import annotations

import argparse
import email
import email.message
import email.policy
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

EXAMPLE = Path(__file__).parents[1] / "examples/spam/few_labels.yaml"
ROWS, LONGEST = 2500, 20_000


def mail(data: Path) -> Iterator[tuple[str, str]]:
    """SpamAssassin's public mail corpus: text and label. Messages that Python cannot read are left
    out, and counted.
    """
    unread = 0
    with tarfile.open(data / "mail.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            message = email.message_from_bytes(file.read(), policy=email.policy.default)
            assert isinstance(message, email.message.EmailMessage)
            try:
                body = message.get_body(preferencelist=("plain", "html"))
                text = body.get_content() if body else ""
                subject = str(message["subject"] or "")
            except Exception:  # headers and charsets of spam
                unread += 1
                continue
            yield f"{subject}\n{text}", "spam" if "/spam/" in member.name else "ham"
    print(f"{unread} messages are left out: Python cannot read them")


def enron(data: Path) -> Iterator[tuple[str, str]]:
    """Enron-Spam: text and label."""
    rows = pd.read_csv(data / "enron_spam.csv.gz").fillna("")
    yield from zip(rows["Subject"] + "\n" + rows["Message"], rows["Spam/Ham"], strict=True)


def study(name: str, work: Path) -> dict[str, Any]:
    """The study of SMS, on other texts."""
    spec: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    arms = spec["study"]["arms"]
    del arms["frozen"]
    for arm in ("frozen_experts", "adapted_experts", "decoder_experts"):
        trunk = arms[arm]["set"]["model.trunk"]  # which arms share, as in the file
        files = trunk.keys() & {"preset", "file"}
        near = {name: os.path.relpath(EXAMPLE.parent / trunk[name], work) for name in files}
        arms[arm]["set"] = arms[arm]["set"] | {"model.trunk": trunk | near | {"length": 128}}
    arms["adapted_experts"]["set"]["model.pretraining"]["steps"] = 150
    spec |= {
        "name": f"{name}-few-labels",
        "data": {
            "sources": [{"format": "parquet", "path": f"{name}.parquet"}],
            "splits": {"train": 0.6, "val": 0.1, "test": 0.3},
        },
        "inputs": {"text": {"kind": "text"}},
        "tasks": {"spam": spec["tasks"]["spam"] | {"label": "label"}},
        "study": spec["study"] | {"seeds": 5},
    }
    return spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=["mail", "enron"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    texts = pd.DataFrame({"mail": mail, "enron": enron}[args.set](args.data), dtype=str)
    texts.columns = ["text", "label"]
    texts["text"] = texts["text"].str.slice(0, LONGEST)
    texts = texts.drop_duplicates("text").sample(ROWS, random_state=0).reset_index(drop=True)
    texts.to_parquet(args.work / f"{args.set}.parquet", index=False)
    file = args.work / f"{args.set}.yaml"
    file.write_text(yaml.safe_dump(study(args.set, args.work.absolute()), sort_keys=False))
    print(f"rootstock study {file}")


if __name__ == "__main__":
    main()
