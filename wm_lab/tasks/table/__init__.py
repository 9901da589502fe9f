"""`task=hand/table`: blocks and zones of several colours, and a sentence that says what to do with which."""

from wm_lab.tasks.table.task import TableConfig, TableTask

__all__ = ["TableConfig", "TableTask"]
