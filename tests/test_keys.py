import re
from pathlib import Path

import scgnn_tools as sgt
from scgnn_tools import _keys


def test_keys_are_those_of_the_documentation():
    e = _keys.EmbeddingKeys("cgc-mini")
    assert (e.obsm, e.varm, e.uns) == ("X_cgc-mini", "cgc-mini", "cgc-mini")
    k = _keys.LabelKeys()
    assert (k.obs, k.confidence, k.proba, k.uns) == (
        "sgt_label",
        "sgt_label_confidence",
        "sgt_label_proba",
        "sgt_label",
    )
    assert _keys.GrnKeys().varp == _keys.GrnKeys().uns == "sgt_grn"


def test_no_other_module_spells_a_key():
    """Outside ``_keys.py`` a name written into an AnnData stands only in docstrings."""
    literal = re.compile(r"""(obsm|varm|obs|uns|varp|obsp)\[f?["'](X_|sgt)""")
    for path in Path(sgt.__file__).parent.rglob("*.py"):
        if path.name == "_keys.py":
            continue
        code = re.sub(r'""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.S)
        code = "\n".join(line.split("#")[0] for line in code.splitlines())
        assert not literal.search(code), path
