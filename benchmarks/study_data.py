"""Spam data for studies: one text per row, no text twice, split by the hash of the text.

    python benchmarks/study_data.py sms|mail|enron --data DIR --work DIR

Two texts are the same if they agree in lower case with white space folded. A fifth of them, by
hash, is the test split. Long texts are cut, equally for every model.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.mail import MailReader
from models.masked_url import MaskedUrl

Labelled = Iterator[tuple[str, str]]
"""Pairs of text and label."""

TEST_SHARE = 0.2
LONGEST = 2000
"""Characters per text: character n-grams of complete mails need more memory than a laptop has."""


def sms(data: Path) -> Labelled:
    """SMS Spam Collection."""
    with gzip.open(data / "sms.tsv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield row["SMS"], row["Label"]


def mail(data: Path) -> Labelled:
    """SpamAssassin's public mail corpus: subject and best text part."""
    reader = MailReader(path=MaskedUrl(str(data / "mail.tar.gz")))
    schema = reader.schema(Path(reader.path))
    for unit in reader.units(Path(reader.path)):
        for batch in reader.read(unit, schema):
            assert not isinstance(batch, BadRecord)
            for row in batch.select(["subject", "body", "folder"]).to_pylist():
                yield f"{row['subject'] or ''}\n{row['body']}", row["folder"]


def enron(data: Path) -> Labelled:
    """Enron-Spam: subject and message."""
    csv.field_size_limit(sys.maxsize)
    with gzip.open(data / "enron_spam.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield f"{row['Subject']}\n{row['Message']}", row["Spam/Ham"]


DATASETS: dict[str, Callable[[Path], Labelled]] = {"sms": sms, "mail": mail, "enron": enron}


def prepare(
    dataset: str,
    data: Path,
    work: Path,
    max_train: int | None,
    test_rows: int,
    rehearsal: bool = False,
) -> None:
    """Write `train.parquet` and `test.parquet` with the columns `text` and `label`.

    max_train, test_rows: largest number of rows; those with the smallest hashes are kept.
    rehearsal: test on rows taken from the training split, to choose settings without the real test
        split.
    """
    unique: dict[bytes, tuple[str, str]] = {}
    count = 0
    for text, label in DATASETS[dataset](data):
        text = text.encode("utf-8", "replace").decode()  # lone surrogates of broken mails
        folded = " ".join(text.lower().split())
        key = hashlib.blake2b(folded.encode(), digest_size=8).digest()
        unique.setdefault(key, (text[:LONGEST], label))
        count += 1
    ranked = sorted(unique)
    border = int(TEST_SHARE * 2**64).to_bytes(8, "big")
    test, train = [h for h in ranked if h < border], [h for h in ranked if h >= border]
    if rehearsal:
        test, train = train[-test_rows:], train[:-test_rows]
    splits = {"test": test[:test_rows], "train": train[:max_train]}
    work.mkdir(parents=True, exist_ok=True)
    print(f"{dataset}: {count} texts, {len(unique)} different", end="")
    for split, hashes in splits.items():
        texts, labels = zip(*[unique[h] for h in hashes], strict=True)
        pq.write_table(pa.table({"text": texts, "label": labels}), work / f"{split}.parquet")
        print(f"; {split}: {len(hashes)}, of which {labels.count('spam')} spam", end="")
    print(".")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("--data", type=lambda p: Path(os.path.abspath(p)), required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--max-train", type=int)
    parser.add_argument("--test-rows", type=int, default=1000)
    args = parser.parse_args()
    prepare(args.dataset, args.data, args.work, args.max_train, args.test_rows)


if __name__ == "__main__":
    main()
