"""What a Parquet file declares, against what was written to it."""

from __future__ import annotations

import pytest

from tests.formats.recording import pa, pq
from wm_lab.formats.parquet_footer import declared_numbers


def test_numbers_of_every_column_are_counted_over_all_row_groups(tmp_path):
    image = {"bytes": b"x", "path": None}
    table = pa.table({"observation.state": [[1.0, 2.0, 3.0]] * 10, "index": range(10), "top": [image] * 10})
    pq.write_table(table, tmp_path / "table.parquet", row_group_size=3)
    found = declared_numbers(tmp_path / "table.parquet")
    assert found == {"observation.state": 30, "index": 10, "top": 20}  # an image has bytes and a path


@pytest.mark.parametrize("keep", [0, 7, 40, 300, -9])
def test_a_damaged_footer_is_no_footer(tmp_path, keep):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [[1.0]] * 5, "b": range(5)}), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="its footer"):
        declared_numbers(path)
