"""Operations on a Net, each returning a new Net and a report."""
