"""`zoo doctor`: the environment, and what to do where it is lacking."""


def test_all_is_well_here(run_zoo, own_zoo_home):
    shown = run_zoo("doctor")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0] == "what\tstate\tfound"
    names = [line.partition("\t")[0] for line in lines[1:]]
    assert {"python", "tensorflow", "keras", "gpu", "cache", "disk"} <= set(names)
    assert str(own_zoo_home) in shown.out


def test_as_json(run_zoo):
    for check in run_zoo("doctor", "--json").json:
        assert list(check) == ["name", "ok", "value", "hint"]


def test_a_cache_that_cannot_be_written_is_a_problem_with_advice(run_zoo, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", "/dev/null/zoo")
    ended = run_zoo("doctor")
    assert ended.code == 4
    assert "\ncache\tPROBLEM\t" in ended.out
    assert "ZOO_HOME" in ended.err
