"""Findings as text and as data: worst last, examples cut, one verdict."""

import json

from sccan.report.findings import Finding, findings_data, findings_text, has_errors, repeated

FINDINGS = [
    repeated(
        "error", "missing image", "{n} listed images are not there", "unpack them", [f"{n}.jpg" for n in range(7)]
    ),
    Finding("ok", "val list", "12 pictures"),
    Finding("warning", "lists", "they overlap", "part them"),
]


def test_text_has_the_worst_last_and_a_verdict() -> None:
    text = findings_text(FINDINGS)
    assert text.splitlines() == [
        "ok      val list: 12 pictures",
        "warning lists: they overlap",
        "        -> part them",
        "error   missing image: 7 listed images are not there",
        *(f"          {n}.jpg" for n in range(5)),
        "          ... and 2 more",
        "        -> unpack them",
        "",
        "1 errors, 1 warnings: training could not start",
    ]
    assert findings_text(FINDINGS[1:]).splitlines()[-1] == "0 errors, 1 warnings: training could start"


def test_data_is_plain_and_keeps_many_examples() -> None:
    many = repeated("note", "usable classes", "{n} pictures", "", [str(n) for n in range(250)])
    data = json.loads(json.dumps(findings_data([*FINDINGS, many])))
    assert data["could_start"] is False
    assert data["findings"][0]["examples"] == [f"{n}.jpg" for n in range(7)]
    assert (data["findings"][3]["count"], len(data["findings"][3]["examples"])) == (250, 100)
    assert has_errors(FINDINGS)
    assert not has_errors(FINDINGS[1:])
