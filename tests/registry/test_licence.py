"""Reading licences from what authors wrote, and what they forbid to those who build on them."""

import pytest

from zoo.errors import UsageError
from zoo.registry.licence import LicenseFilter, read_license, restricts


@pytest.mark.parametrize(
    ("words", "id", "kind"),
    [
        ("mit", "MIT", "permissive"),
        ("MIT (repository)", "MIT", "permissive"),
        ("BSD 2-clause", "BSD-2-Clause", "permissive"),
        ("BSD LICENSE (two clauses)", "BSD-2-Clause", "permissive"),
        ("New BSD", "BSD-3-Clause", "permissive"),
        ("BSD", "LicenseRef-BSD-style", "permissive"),
        ("Apache License, Version 2.0", "Apache-2.0", "permissive"),
        ("CC0", "CC0-1.0", "permissive"),
        ("unrestricted", "LicenseRef-unrestricted", "permissive"),
        ("http://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-NC-4.0", "non-commercial"),
        ("Creative Commons Attribution-ShareAlike 3.0", "CC-BY-SA-3.0", "copyleft"),
        ("cc by-nc-nd 4.0", "CC-BY-NC-ND-4.0", "restricted"),
        ("CC BY", "LicenseRef-CC-BY", "permissive"),
        ("GPL v3", "GPL-3.0-only", "copyleft"),
        ("GNU Lesser General Public License 2.1", "LGPL-2.1-only", "copyleft"),
        ("GPL-2.0-only WITH Classpath-exception-2.0",) * 2 + ("copyleft",),
        ("mit or gpl-2.0-only", "MIT OR GPL-2.0-only", "permissive"),
        ("(MIT OR GPL-2.0-only) AND CC-BY-NC-4.0",) * 2 + ("non-commercial",),
        ("MIT AND LicenseRef-mine",) * 2 + ("restricted",),
        ("Non-Commercial use only", "LicenseRef-non-commercial", "non-commercial"),
        ("BSD 2 clause, for non commercial use", "LicenseRef-non-commercial", "non-commercial"),
        ("academic use", "LicenseRef-research-and-education", "non-commercial"),
        ("LicenseRef-mine", "LicenseRef-mine", "restricted"),
        ("ask my professor", "", "restricted"),
        ("CNRI-Jython", "CNRI-Jython", "restricted"),
        ("", "", "not stated"),
        (None, "", "not stated"),
        ("unknown", "", "not stated"),
        ("provided as is; no licence named", "", "not stated"),
    ],
)
def test_words_are_read(words, id, kind):
    license = read_license(words)
    assert (license.id, license.kind) == (id, kind)
    assert license.stated == (words or "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("MIT", "any use, commercial too; name the authors"),
        ("CC0-1.0", "any use, commercial too"),
        ("non-commercial", "research only, no commercial use; name the authors"),
        ("OpenPose", "research only, no commercial use; no redistribution; name the authors"),
        ("ask me", "terms of its own: read them before you use it"),
        (None, "not stated: ask the authors before you use it"),
    ],
)
def test_a_sentence_says_what_is_allowed(words, sentence):
    assert read_license(words).sentence == sentence


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        ("MIT", "MIT"),
        ("MIT", "unrestricted"),
        ("Apache-2.0", "BSD-3-Clause"),
        ("GPL-3.0-only", "MIT"),
        ("non-commercial", "MIT"),
        ("CC-BY-NC-4.0", "non-commercial"),
        ("non-commercial", "CC-BY-NC-4.0"),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0"),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-SA-4.0"),
        ("GPL-3.0-or-later", "GPL-2.0-or-later"),
        ("CC0-1.0", "CC0-1.0"),
        ("MIT", "MIT OR GPL-3.0-only"),
        ("LicenseRef-mine", "MIT"),
    ],
)
def test_a_derived_model_may_be_published(child, parent):
    assert restricts(child, parent) is None


@pytest.mark.parametrize(
    ("child", "parent", "reason"),
    [
        ("MIT", "CC-BY-NC-4.0", "CC-BY-NC-4.0 forbids commercial use, which MIT would allow"),
        ("MIT", "non-commercial", "non-commercial forbids commercial use"),
        ("LicenseRef-mine", "CC-BY-NC-4.0", "it is not known whether that does too"),
        ("MIT", "GPL-3.0-only", "stays under it, not MIT"),
        ("GPL-2.0-only", "GPL-3.0-only", "stays under it"),
        ("GPL-3.0-only", "GPL-2.0-only", "stays under it"),
        ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "stays under it"),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "forbids changed versions"),
        ("OpenPose", "OpenPose", "forbids redistribution"),
        ("CC0-1.0", "CC-BY-4.0", "asks that its authors are named, which CC0-1.0 waives"),
        (None, "MIT", "it names no licence"),
        ("MIT", None, "authors of that have to be asked"),
        (None, None, "authors of that have to be asked"),
        ("MIT", "ask my professor", "terms of its own (ask my professor)"),
    ],
)
def test_a_derived_model_may_not_be_published(child, parent, reason):
    assert reason in restricts(child, parent)
    assert reason in restricts(read_license(child), read_license(parent))


@pytest.mark.parametrize(
    ("wanted", "taken", "refused"),
    [
        ("permissive", "MIT", "GPL-3.0-only"),
        ("commercial", "GPL-3.0-only", "non-commercial"),
        ("Non_Commercial", "CC-BY-NC-4.0", "MIT"),
        ("not stated", None, "MIT"),
        ("not-stated", "unknown", "ask me"),
        ("restricted", "ask me", "MIT"),
        ("bsd-2-clause", "BSD 2-clause", "BSD-3-Clause"),
        ("MIT", "MIT OR GPL-3.0-only", "MIT-0"),
        ("unrestricted", "unrestricted", "MIT"),
    ],
)
def test_a_filter_takes_classes_and_ids(wanted, taken, refused):
    licenses = LicenseFilter(wanted)
    assert licenses.takes(read_license(taken))
    assert not licenses.takes(read_license(refused))


def test_a_filter_that_is_neither_says_so():
    with pytest.raises(UsageError, match="Did you mean permissive"):
        LicenseFilter("permisive")
