"""What tests of refusals share: a call that must end in an error, and things that no call takes."""

import pytest

import fastfinite as ff

VERDICTS = (ff.all_finite, ff.has_nan, ff.has_inf)
# Whatever is asked of an array, each call with nothing but the array.
EVERY_CALL = (*VERDICTS, ff.scan, ff.nonfinite, ff.check_finite, ff.column_stats, ff.ColumnStats().update)


class Unknown:
    """Of a kind that nobody knows."""


def kind_of(value):
    """The name of the type, by which a test tells its parameters apart."""
    return type(value).__name__


def refused(call, *arguments, **options):
    """The NonFiniteError of a call."""
    with pytest.raises(ff.NonFiniteError) as caught:
        call(*arguments, **options)
    return caught.value


def raised(x, **options):
    """The NonFiniteError of check_finite."""
    return refused(ff.check_finite, x, **options)


def message_of(x, **options):
    return str(raised(x, **options))


def check_not_taken(x, words, calls=EVERY_CALL):
    """No call takes it, and each says why."""
    for call in calls:
        with pytest.raises(TypeError, match=words):
            call(x)
