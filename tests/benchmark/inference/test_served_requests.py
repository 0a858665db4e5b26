"""Requests to a served model that nobody would think of: schemathesis makes them from a description of the inputs.

SCHEMATHESIS_EXAMPLES=2000 sends more of them, see docs/reliability.md.
"""

import csv
import io
import os
from collections.abc import Mapping
from typing import Any

import hypothesis
import mlflow.pyfunc
import pandas as pd
import pytest
import schemathesis
from mlflow.pyfunc.scoring_server import init
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from benchmark.tracking.logged_model import save_pyfunc
from tests.helpers.facts import assert_names

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "50"))


def described(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def several(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


TEXT = {"type": ["string", "null"]}
RECORD = described(text=TEXT)
SPLIT = described(
    columns={"const": ["text"]}, data=several({"type": "array", "prefixItems": [TEXT], "minItems": 1, "maxItems": 1})
)
BODIES = [
    described(inputs=TEXT),
    described(inputs=several(TEXT)),
    described(inputs=several(RECORD)),
    described(inputs=described(text=several(TEXT))),
    described(instances=several(TEXT)),
    described(instances=several(RECORD)),
    described(dataframe_records=several(RECORD)),
    described(dataframe_split=SPLIT),
]
NUMBER = {"type": ["number", "null"]}
ANSWER = described(
    label={"enum": ["negative", "positive", None]}, probability_negative=NUMBER, probability_positive=NUMBER
)
REFUSAL = {"type": "object", "required": ["error_code", "message"], "properties": {"stack_trace": False}}
API = {
    "openapi": "3.1.0",
    "info": {"title": "A served model", "version": "1"},
    "paths": {
        "/invocations": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"oneOf": BODIES}},
                        "text/csv": {"schema": several(TEXT)},
                    },
                },
                "responses": {
                    "200": {
                        "description": "answers",
                        "content": {"application/json": {"schema": described(predictions=several(ANSWER))}},
                    },
                    "400": {"description": "refused", "content": {"application/json": {"schema": REFUSAL}}},
                },
            }
        }
    },
}


def spelled_csv(body: Any) -> bytes:
    """A table of the texts, each in quotes; what is no list stands there as it is."""
    if not isinstance(body, list):
        return str(body).encode()
    table = io.StringIO()
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows([[text] for text in ("text", *body)])
    return table.getvalue().encode()


schemathesis.serializer("text/csv")(lambda context, body: spelled_csv(body))


@pytest.fixture
def model(trained_as, tmp_path):
    save_pyfunc(tmp_path / "saved", trained_as("rnn").bundle)
    return mlflow.pyfunc.load_model(str(tmp_path / "saved"))


@pytest.fixture
def send_all(model, monkeypatch):
    """`send_all(mode, check)` sends requests of the mode and checks each answer."""
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")  # `init` sets it
    app = init(model)
    app.openapi = lambda: API
    operation = schemathesis.openapi.from_asgi("/openapi.json", app)["/invocations"]["POST"]

    def send(mode: GenerationMode, check) -> None:
        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(operation.as_strategy(generation_mode=mode))
        def each(case: Case) -> None:
            check(case, case.call())

        each()

    return send


def texts_in(case: Case) -> list[Any]:
    if case.media_type == "text/csv":
        cells = pd.read_csv(io.StringIO(spelled_csv(case.body).decode()))["text"].tolist()
        return [None if pd.isna(cell) else cell for cell in cells]  # empty, NA, None
    [content] = case.body.values()
    content = content.get("data", content.get("text")) if isinstance(content, dict) else content
    rows = content if isinstance(content, list) else [content]
    return [row["text"] if isinstance(row, dict) else row[0] if isinstance(row, list) else row for row in rows]


def test_every_request_within_the_schema_is_answered_in_order(model, send_all):
    def alone(text: str) -> float:
        return float(model.predict([text])["probability_positive"].iloc[0])

    def check(case: Case, answer: Any) -> None:
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])
        texts = texts_in(case)
        if case.media_type == "text/csv" and any(type(text) in {float, bool, int} for text in texts):
            assert answer.status_code == 400  # pandas has read "Infinity" as a number
            assert_names(answer.text, "row ")
            return
        found = [row["probability_positive"] for row in answer.json()["predictions"]]
        assert found == [text if text is None else pytest.approx(alone(text), abs=1e-5) for text in texts]

    send_all(GenerationMode.POSITIVE, check)


def test_no_other_request_breaks_the_server(send_all):
    """MLflow puts a stack trace into its answer to a CSV that pandas cannot read, before it asks the model."""

    def check(case: Case, answer: Any) -> None:
        assert answer.status_code in {200, 400}
        assert "stack_trace" not in answer.text or "Failed to parse input as a Pandas DataFrame" in answer.text

    send_all(GenerationMode.NEGATIVE, check)
