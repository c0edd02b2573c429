"""A report as an answer of the API: whatever stands in it, it gets nothing of the origin."""

from service.html.standalone import standalone


def test_the_page_is_sandboxed_and_its_kind_is_not_guessed() -> None:
    found = standalone("<p>ä</p>")
    assert found.body == "<p>ä</p>".encode()
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["x-content-type-options"] == "nosniff"
    policy = found.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox allow-scripts"} <= set(policy)
    assert not any("allow-same-origin" in part for part in policy)
