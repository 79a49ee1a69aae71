"""Rows as numbers: ballots, parts of whole subjects, sums over groups, intervals of shares."""
