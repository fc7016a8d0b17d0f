import io

import scgnn_tools as sgt


def test_versions_name_what_matters(capsys):
    out = io.StringIO()
    sgt.print_versions(file=out)
    rows = dict(line.split(None, 1) for line in out.getvalue().splitlines())
    assert rows["scgnn_tools"]
    assert {"Python", "anndata", "scanpy", "torch", "devices"} <= set(rows)
    sgt.print_versions()
    assert capsys.readouterr().out == out.getvalue()
