"""Media players that play a list of three titles."""

from __future__ import annotations

from homeassistant.components.media_player import (
    MediaPlayerEntity,
    MediaPlayerEntityFeature as Feature,
    MediaPlayerState,
    MediaType,
)

from .entity import HouseEntity, platform
from .house import Thing

TITLES = ("Clair de Lune", "Four Seasons", "Bolero")


class HousePlayer(HouseEntity, MediaPlayerEntity):
    """A television or a loudspeaker."""

    _attr_media_content_type = MediaType.MUSIC
    _attr_source_list = ["Radio", "Bluetooth", "HDMI"]
    _attr_volume_step = 0.1
    _attr_supported_features = (
        Feature.TURN_ON
        | Feature.TURN_OFF
        | Feature.PLAY
        | Feature.PAUSE
        | Feature.STOP
        | Feature.NEXT_TRACK
        | Feature.PREVIOUS_TRACK
        | Feature.VOLUME_SET
        | Feature.VOLUME_STEP
        | Feature.VOLUME_MUTE
        | Feature.SELECT_SOURCE
    )

    def __init__(self, thing: Thing) -> None:
        """Read ``on``, ``volume`` (0-1) and ``playing`` (a title)."""
        super().__init__(thing)
        playing = thing.state.get("playing")
        on = MediaPlayerState.PLAYING if playing else MediaPlayerState.IDLE
        self._attr_state = on if thing.state["on"] else MediaPlayerState.OFF
        self._attr_volume_level = thing.state["volume"]
        self._attr_is_volume_muted = False
        self._attr_source = "Radio"
        self._titles = ([playing] if playing else []) + list(TITLES)
        self._attr_media_title = playing

    async def async_turn_on(self) -> None:
        """Turn on, playing nothing."""
        if self._attr_state is MediaPlayerState.OFF:
            self.show(state=MediaPlayerState.IDLE)

    async def async_turn_off(self) -> None:
        """Turn off."""
        self.show(state=MediaPlayerState.OFF)

    async def async_media_play(self) -> None:
        """Play on."""
        self.show(state=MediaPlayerState.PLAYING, media_title=self._attr_media_title or self._titles[0])

    async def async_media_pause(self) -> None:
        """Pause."""
        self.show(state=MediaPlayerState.PAUSED)

    async def async_media_stop(self) -> None:
        """Stop."""
        self.show(state=MediaPlayerState.IDLE, media_title=None)

    async def async_media_next_track(self) -> None:
        """Go on to the next title."""
        self._skip(1)

    async def async_media_previous_track(self) -> None:
        """Go back to the title before."""
        self._skip(-1)

    def _skip(self, step: int) -> None:
        title = self._attr_media_title
        index = self._titles.index(title) if title in self._titles else 0
        self.show(state=MediaPlayerState.PLAYING, media_title=self._titles[(index + step) % len(self._titles)])

    async def async_set_volume_level(self, volume: float) -> None:
        """Set the volume, 0-1."""
        self.show(volume_level=round(volume, 2))

    async def async_mute_volume(self, mute: bool) -> None:
        """Mute, or no longer."""
        self.show(is_volume_muted=mute)

    async def async_select_source(self, source: str) -> None:
        """Select what is played from."""
        self.show(source=source)


async_setup_entry = platform("media_player", HousePlayer)
