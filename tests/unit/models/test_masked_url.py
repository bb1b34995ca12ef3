import copy
import json
import pickle

import pytest
from pydantic import BaseModel

from models.masked_url import MaskedUrl, without_secrets

SECRET = "C4NARY-pw"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/data/a:b@c.csv", "/data/a:b@c.csv"),
        ("sqlite:////data/a@b/shop.db", "sqlite:////data/a@b/shop.db"),
        ("http://[::1]:5000/a", "http://[::1]:5000/a"),
        ("abfs://container@account/models", "abfs://container@account/models"),
        ("postgresql://me@host/db?sslmode=require", "postgresql://me@host/db?sslmode=require"),
        (f"postgresql+psycopg://me:{SECRET}@host/db", "postgresql+psycopg://***@host/db"),
        (f"postgresql://me:{SECRET}/?#@x@host/db", "postgresql://***@host/db"),
        (f"mysql://host/db?charset=utf8&password={SECRET}", "mysql://host/db?charset=utf8&password=***"),
        (f"x://host/db?sslpassword={SECRET};any={SECRET}", "x://host/db?sslpassword=***;any=***"),
        (f"mssql+pyodbc:///?odbc_connect=PWD%3D{SECRET}", "mssql+pyodbc:///?odbc_connect=***"),
        (f"https://{SECRET}@host/module", "https://***@host/module"),
        (f"http://me:{SECRET}@127.0.0.1:5000", "http://***@127.0.0.1:5000"),
        (f"https://host/x?{SECRET}#{SECRET}", "https://host/x?***#***"),
        (f"s3://KEY:{SECRET}@bucket/models", "s3://***@bucket/models"),
        (f"filecache::s3://k:{SECRET}@bucket", "filecache::s3://***@bucket"),
        ("postgresql://me:${PASSWORD}@host/db", "postgresql://me:${PASSWORD}@host/db"),
        (f"postgresql://me:${{PASSWORD:-{SECRET}}}@host/db", "postgresql://***@host/db"),
    ],
)  # fmt: skip
def test_a_url_is_masked_however_it_is_shown(url: str, shown: str) -> None:
    class Section(BaseModel):
        place: MaskedUrl

    masked = MaskedUrl(url)
    section = Section(place=url)
    for place in (masked, section.place, MaskedUrl(masked), copy.deepcopy(masked)):
        assert place.reveal() == url
    assert pickle.loads(pickle.dumps(masked)).reveal() == url
    assert str(masked) == f"{masked}" == shown
    assert repr(masked) == repr(shown)
    assert json.loads(json.dumps(masked)) == shown
    assert section.model_dump() == {"place": shown}
    assert json.loads(section.model_dump_json()) == {"place": shown}
    for text in (repr(section), str(vars(section)), str(section.model_dump())):
        assert SECRET not in text


def test_the_errors_of_others_are_masked() -> None:
    MaskedUrl(f"mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3D{SECRET}%3B")
    text = f"login of {SECRET!r} at 'http://a:b@h/x' failed, with {{x: http://q:zz@h}}; PWD=abc;"
    assert without_secrets(text) == (
        "login of '***' at 'http://***@h/x' failed, with {x: http://***@h}; PWD=***;"
    )
    assert without_secrets(f"see https://me:{SECRET}@other/x") == "see https://***@other/x"
    cut = f"input_value='postgresql://me:{SECRET[:5]}...ost/db'"
    assert SECRET[:5] not in without_secrets(cut)


def test_ordinary_text_stays() -> None:
    text = "spec.yaml:3: data.sources.0.path: no such file, see https://keras.io/api and a@b.c:80"
    assert without_secrets(text) == text
