"""Which of the catalogue's services and arguments a device can take, told from its state.

Home Assistant checks the features of a service itself, but drops an argument that a light cannot take without a word,
and lists neither: the prompt needs to know beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from homeassistant.components.alarm_control_panel import AlarmControlPanelEntityFeature as Alarm
from homeassistant.components.climate import ClimateEntityFeature as Climate
from homeassistant.components.cover import CoverEntityFeature as Cover
from homeassistant.components.fan import FanEntityFeature as Fan
from homeassistant.components.humidifier import HumidifierEntityFeature as Humidifier
from homeassistant.components.lawn_mower import LawnMowerEntityFeature as Mower
from homeassistant.components.light import ColorMode, brightness_supported, color_supported, color_temp_supported
from homeassistant.components.media_player import MediaPlayerEntityFeature as Media
from homeassistant.components.siren import SirenEntityFeature as Siren
from homeassistant.components.todo import TodoListEntityFeature as Todo
from homeassistant.components.vacuum import VacuumEntityFeature as Vacuum
from homeassistant.components.valve import ValveEntityFeature as Valve
from homeassistant.components.water_heater import WaterHeaterEntityFeature as WaterHeater
from homeassistant.core import State

_FEATURES: Final[Mapping[str, tuple[int, ...]]] = {
    "fan.turn_on": (Fan.TURN_ON,),
    "fan.turn_off": (Fan.TURN_OFF,),
    "fan.toggle": (Fan.TURN_OFF, Fan.TURN_ON),
    "fan.set_percentage": (Fan.SET_SPEED,),
    "fan.increase_speed": (Fan.SET_SPEED,),
    "fan.decrease_speed": (Fan.SET_SPEED,),
    "fan.oscillate": (Fan.OSCILLATE,),
    "fan.set_direction": (Fan.DIRECTION,),
    "cover.open_cover": (Cover.OPEN,),
    "cover.close_cover": (Cover.CLOSE,),
    "cover.stop_cover": (Cover.STOP,),
    "cover.set_cover_position": (Cover.SET_POSITION,),
    "valve.open_valve": (Valve.OPEN,),
    "valve.close_valve": (Valve.CLOSE,),
    "valve.set_valve_position": (Valve.SET_POSITION,),
    "climate.turn_on": (Climate.TURN_ON,),
    "climate.turn_off": (Climate.TURN_OFF,),
    "climate.set_temperature": (Climate.TARGET_TEMPERATURE, Climate.TARGET_TEMPERATURE_RANGE),
    "climate.set_fan_mode": (Climate.FAN_MODE,),
    "climate.set_preset_mode": (Climate.PRESET_MODE,),
    "humidifier.set_mode": (Humidifier.MODES,),
    "water_heater.turn_on": (WaterHeater.ON_OFF,),
    "water_heater.turn_off": (WaterHeater.ON_OFF,),
    "water_heater.set_temperature": (WaterHeater.TARGET_TEMPERATURE,),
    "water_heater.set_operation_mode": (WaterHeater.OPERATION_MODE,),
    "media_player.turn_on": (Media.TURN_ON,),
    "media_player.turn_off": (Media.TURN_OFF,),
    "media_player.media_play": (Media.PLAY,),
    "media_player.media_pause": (Media.PAUSE,),
    "media_player.media_stop": (Media.STOP,),
    "media_player.media_next_track": (Media.NEXT_TRACK,),
    "media_player.media_previous_track": (Media.PREVIOUS_TRACK,),
    "media_player.volume_up": (Media.VOLUME_SET, Media.VOLUME_STEP),
    "media_player.volume_down": (Media.VOLUME_SET, Media.VOLUME_STEP),
    "media_player.volume_set": (Media.VOLUME_SET,),
    "media_player.volume_mute": (Media.VOLUME_MUTE,),
    "media_player.select_source": (Media.SELECT_SOURCE,),
    "media_player.play_media": (Media.PLAY_MEDIA | Media.SEARCH_MEDIA,),
    "vacuum.start": (Vacuum.START,),
    "vacuum.pause": (Vacuum.PAUSE,),
    "vacuum.stop": (Vacuum.STOP,),
    "vacuum.return_to_base": (Vacuum.RETURN_HOME,),
    "vacuum.locate": (Vacuum.LOCATE,),
    "lawn_mower.start_mowing": (Mower.START_MOWING,),
    "lawn_mower.pause": (Mower.PAUSE,),
    "lawn_mower.dock": (Mower.DOCK,),
    "todo.add_item": (Todo.CREATE_TODO_ITEM,),
    "todo.remove_item": (Todo.DELETE_TODO_ITEM,),
    "todo.update_item": (Todo.UPDATE_TODO_ITEM,),
    "siren.turn_on": (Siren.TURN_ON,),
    "siren.turn_off": (Siren.TURN_OFF,),
    "alarm_control_panel.alarm_arm_home": (Alarm.ARM_HOME,),
    "alarm_control_panel.alarm_arm_away": (Alarm.ARM_AWAY,),
    "alarm_control_panel.alarm_arm_night": (Alarm.ARM_NIGHT,),
}
"""For each service the sets of features of which a device must have one, as Home Assistant registers it.

Media is searched for before it is played, so `play_media` needs both features; a service that is not here needs none.
"""

_ARGUMENT_FEATURES: Final[Mapping[str, Mapping[str, tuple[int, ...]]]] = {
    "fan.turn_on": {"percentage": (Fan.SET_SPEED,), "preset_mode": (Fan.PRESET_MODE,)},
    "climate.set_temperature": {
        "target_temp_low": (Climate.TARGET_TEMPERATURE_RANGE,),
        "target_temp_high": (Climate.TARGET_TEMPERATURE_RANGE,),
    },
}

_CLIMATE_MODES_WHEN_ON: Final = ("heat_cool", "heat", "cool")
"""The order in which Home Assistant turns on a thermostat that knows no `turn_on`."""


def features(state: State) -> int:
    """Return the supported features of an entity as bits; none where an integration tells no number."""
    bits = state.attributes.get("supported_features")
    return int(bits) if isinstance(bits, int) else 0


def listed(state: State, attribute: str) -> tuple[object, ...]:
    """Return what an entity lists in an attribute; nothing where an integration tells no list."""
    value = state.attributes.get(attribute)
    return tuple(value) if isinstance(value, Iterable) else ()


def kind_of(state: State) -> tuple[object, ...]:
    """Return what is equal for all entities that can take the same services with the same arguments."""
    modes = (tuple(map(str, listed(state, name))) for name in ("supported_color_modes", "hvac_modes"))
    return state.domain, features(state), *modes


def supports(state: State, service: str) -> bool:
    """Return whether a device can take a service, itself or through its substitute."""
    name, _ = substitute(state, service, {})
    return _has_any(state, _FEATURES.get(name, ()))


def takes(state: State, service: str, argument: str) -> bool:
    """Return whether a device can take an argument of a service that it supports."""
    if service == "light.turn_on":
        return _light_takes(state, argument)
    return _has_any(state, _ARGUMENT_FEATURES.get(service, {}).get(argument, ()))


def substitute(state: State, service: str, data: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Return the service and data that do the same on a device that lacks the one asked for.

    A cover or valve without positions opens for 100 and closes for 0; a thermostat that cannot be turned on or off as
    such is set to a mode.
    """
    if not _has_any(state, _FEATURES.get(service, ())):
        if service in ("cover.set_cover_position", "valve.set_valve_position"):
            if data.get("position") in (0, 100):
                verb = "open" if data["position"] else "close"
                return f"{state.domain}.{verb}_{state.domain}", {}
        elif service in ("climate.turn_on", "climate.turn_off"):
            wanted = ("off",) if service == "climate.turn_off" else _CLIMATE_MODES_WHEN_ON
            modes = listed(state, "hvac_modes")
            if mode := next((mode for mode in wanted if mode in modes), None):
                return "climate.set_hvac_mode", {"hvac_mode": mode}
    return service, dict(data)


def _has_any(state: State, wanted: tuple[int, ...]) -> bool:
    has = features(state)
    return not wanted or any(has & bits == bits for bits in wanted)


def _light_takes(state: State, argument: str) -> bool:
    modes = [mode for mode in ColorMode if mode in listed(state, "supported_color_modes")]
    match argument:
        case "brightness_pct" | "brightness_step_pct":
            return brightness_supported(modes)
        case "color_name" | "rgb_color":
            return color_supported(modes)
        case "color_temp_kelvin":
            # Home Assistant mixes white from the colours of a light that has no white of its own.
            return color_temp_supported(modes) or color_supported(modes)
    return True
