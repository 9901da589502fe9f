"""What the cameras of a LeRobot folder saw, episode by episode: frames of videos, or images in the table itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wm_lab.formats.lerobot_episodes import Episodes
from wm_lab.formats.lerobot_info import Feature, Info
from wm_lab.formats.parquet import Column
from wm_lab.formats.still import decoded
from wm_lab.formats.video import VideoReader


class Cameras:
    """What is open of the cameras: a video or a column of images each, which the next episode goes on in."""

    def __init__(self, info: Info, episodes: Episodes, side: int | None) -> None:
        """side: of the square that images are brought to; None: as they are."""
        self._info, self._episodes, self._side = info, episodes, side
        self._open: dict[str, VideoReader | Column] = {}

    def read(self, feature: Feature, episode: int, table: Path, rows: slice) -> np.ndarray:
        """[L, H, W, 3] uint8 of an episode whose frames are these rows of the table."""
        if feature.kind == "image":
            column = self._turn(feature, table)
            if not isinstance(column, Column):
                column = self._open[feature.name] = Column(table, feature.name)
            return decoded(column.read(rows), self._info.folder, feature.name, self._side)
        path, begin = self._episodes.video_file(feature.name, episode)
        video = self._turn(feature, path)
        if not isinstance(video, VideoReader):
            video = self._open[feature.name] = VideoReader(path, self._info.fps, self._side)
        return video.read(round(begin * self._info.fps), rows.stop - rows.start)

    def close(self) -> None:
        for reader in self._open.values():
            if isinstance(reader, VideoReader):
                reader.close()

    def _turn(self, feature: Feature, path: Path) -> VideoReader | Column | None:
        """What is open of a camera, if it is of this file; otherwise it is closed."""
        reader = self._open.get(feature.name)
        if reader is None or reader.path == path:
            return reader
        if isinstance(reader, VideoReader):
            reader.close()
        del self._open[feature.name]
        return None
