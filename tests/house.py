"""A house of real entities for the tests: what a request does to it can be seen in their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from homeassistant.components.alarm_control_panel import (
    AlarmControlPanelEntity,
    AlarmControlPanelEntityFeature,
    AlarmControlPanelState,
    CodeFormat,
)
from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.components.climate import ClimateEntity, ClimateEntityFeature, HVACMode
from homeassistant.components.cover import CoverDeviceClass, CoverEntity, CoverEntityFeature
from homeassistant.components.fan import FanEntity, FanEntityFeature
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.humidifier import HumidifierEntity, HumidifierEntityFeature
from homeassistant.components.light import ColorMode, LightEntity
from homeassistant.components.lock import LockEntity
from homeassistant.components.media_player import (
    BrowseMedia,
    MediaClass,
    MediaPlayerEntity,
    MediaPlayerEntityFeature,
    MediaPlayerState,
    SearchMedia,
    SearchMediaQuery,
)
from homeassistant.components.number import NumberEntity
from homeassistant.components.scene import Scene
from homeassistant.components.select import SelectEntity
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity
from homeassistant.components.switch import SwitchEntity
from homeassistant.components.todo import TodoItem, TodoItemStatus, TodoListEntity, TodoListEntityFeature
from homeassistant.components.valve import ValveEntity, ValveEntityFeature
from homeassistant.components.water_heater import WaterHeaterEntity, WaterHeaterEntityFeature
from homeassistant.config_entries import ConfigEntry, ConfigFlow
from homeassistant.const import UnitOfTemperature
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    MockPlatform,
    mock_config_flow,
    mock_integration,
    mock_platform,
)

DOMAIN = "test_house"


class Thing(Entity):
    """An entity that does at once what it is told."""

    domain: ClassVar[str]
    _attr_should_poll = False

    def setup(self, object_id: str, name: str, **attributes: Any) -> Thing:
        self.entity_id = f"{self.domain}.{object_id}"
        self._attr_unique_id = object_id
        self._attr_name = name
        for key, value in attributes.items():
            setattr(self, f"_attr_{key}", value)
        return self

    def show(self, **attributes: Any) -> None:
        for key, value in attributes.items():
            setattr(self, f"_attr_{key}", value)
        self.async_write_ha_state()


class Lamp(Thing, LightEntity):
    domain = "light"
    _attr_is_on = False
    _attr_color_mode = ColorMode.ONOFF
    _attr_supported_color_modes = {ColorMode.ONOFF}  # noqa: RUF012

    async def async_turn_on(self, **kwargs: Any) -> None:
        changes: dict[str, Any] = {"is_on": True}
        if "brightness" in kwargs:
            changes["brightness"] = kwargs["brightness"]
        if "hs_color" in kwargs:
            changes |= {"hs_color": kwargs["hs_color"], "color_mode": ColorMode.HS}
        if "color_temp_kelvin" in kwargs:
            changes |= {"color_temp_kelvin": kwargs["color_temp_kelvin"], "color_mode": ColorMode.COLOR_TEMP}
        self.show(**changes)

    async def async_turn_off(self, **kwargs: Any) -> None:
        self.show(is_on=False)


class Plug(Thing, SwitchEntity):
    domain = "switch"
    _attr_is_on = False
    broken: Exception | None = None

    async def async_turn_on(self, **kwargs: Any) -> None:
        if self.broken:
            raise self.broken
        self.show(is_on=True)

    async def async_turn_off(self, **kwargs: Any) -> None:
        if self.broken:
            raise self.broken
        self.show(is_on=False)


class Fan(Thing, FanEntity):
    domain = "fan"
    _attr_percentage = 0

    async def async_turn_on(self, percentage: int | None = None, preset_mode: str | None = None, **kwargs: Any) -> None:
        self.show(percentage=percentage or 50, preset_mode=preset_mode)

    async def async_turn_off(self, **kwargs: Any) -> None:
        self.show(percentage=0)

    async def async_set_percentage(self, percentage: int) -> None:
        self.show(percentage=percentage)

    async def async_oscillate(self, oscillating: bool) -> None:
        self.show(oscillating=oscillating)


class Cover(Thing, CoverEntity):
    domain = "cover"
    _attr_is_closed = True

    async def async_open_cover(self, **kwargs: Any) -> None:
        self.show(is_closed=False, **({} if self.current_cover_position is None else {"current_cover_position": 100}))

    async def async_close_cover(self, **kwargs: Any) -> None:
        self.show(is_closed=True, **({} if self.current_cover_position is None else {"current_cover_position": 0}))

    async def async_set_cover_position(self, **kwargs: Any) -> None:
        self.show(is_closed=kwargs["position"] == 0, current_cover_position=kwargs["position"])


class Valve(Thing, ValveEntity):
    domain = "valve"
    _attr_is_closed = True
    _attr_reports_position = False
    _attr_supported_features = ValveEntityFeature.OPEN | ValveEntityFeature.CLOSE

    async def async_open_valve(self) -> None:
        self.show(is_closed=False)

    async def async_close_valve(self) -> None:
        self.show(is_closed=True)


class Lock(Thing, LockEntity):
    domain = "lock"
    _attr_is_locked = True

    async def async_lock(self, **kwargs: Any) -> None:
        self.show(is_locked=True)

    async def async_unlock(self, **kwargs: Any) -> None:
        self.show(is_locked=False)


class Thermostat(Thing, ClimateEntity):
    domain = "climate"
    _attr_temperature_unit = UnitOfTemperature.CELSIUS
    _attr_hvac_mode = HVACMode.HEAT
    _attr_hvac_modes = [HVACMode.OFF, HVACMode.HEAT, HVACMode.HEAT_COOL]  # noqa: RUF012
    _attr_min_temp = 7
    _attr_max_temp = 35
    _attr_supported_features = ClimateEntityFeature.TARGET_TEMPERATURE

    async def async_set_temperature(self, **kwargs: Any) -> None:
        self.show(
            target_temperature=kwargs.get("temperature", self.target_temperature),
            target_temperature_low=kwargs.get("target_temp_low"),
            target_temperature_high=kwargs.get("target_temp_high"),
        )

    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        self.show(hvac_mode=hvac_mode)

    async def async_set_preset_mode(self, preset_mode: str) -> None:
        self.show(preset_mode=preset_mode)


class Player(Thing, MediaPlayerEntity):
    domain = "media_player"
    _attr_state = MediaPlayerState.IDLE
    found: Sequence[str] = ()

    async def async_turn_on(self) -> None:
        self.show(state=MediaPlayerState.IDLE)

    async def async_turn_off(self) -> None:
        self.show(state=MediaPlayerState.OFF)

    async def async_set_volume_level(self, volume: float) -> None:
        self.show(volume_level=volume)

    async def async_mute_volume(self, mute: bool) -> None:
        self.show(is_volume_muted=mute)

    async def async_media_pause(self) -> None:
        self.show(state=MediaPlayerState.PAUSED)

    async def async_select_source(self, source: str) -> None:
        self.show(source=source)

    async def async_search_media(self, query: SearchMediaQuery) -> SearchMedia:
        return SearchMedia(
            result=[
                BrowseMedia(
                    media_class=MediaClass.MUSIC,
                    media_content_id=f"id of {title}",
                    media_content_type="music",
                    title=title,
                    can_play=True,
                    can_expand=False,
                )
                for title in self.found
                if query.search_query.lower() in title.lower()
            ]
        )

    async def async_play_media(self, media_type: str, media_id: str, **kwargs: Any) -> None:
        self.show(state=MediaPlayerState.PLAYING, media_title=media_id.removeprefix("id of "))


class Humidifier(Thing, HumidifierEntity):
    domain = "humidifier"
    _attr_is_on = True
    _attr_target_humidity = 45
    _attr_min_humidity = 30
    _attr_max_humidity = 70
    _attr_mode = "normal"
    _attr_available_modes = ["normal", "sleep"]  # noqa: RUF012
    _attr_supported_features = HumidifierEntityFeature.MODES

    async def async_set_humidity(self, humidity: int) -> None:
        self.show(target_humidity=humidity)

    async def async_set_mode(self, mode: str) -> None:
        self.show(mode=mode)


class Boiler(Thing, WaterHeaterEntity):
    domain = "water_heater"
    _attr_temperature_unit = UnitOfTemperature.CELSIUS
    _attr_current_operation = "eco"
    _attr_operation_list = ["eco", "high_demand"]  # noqa: RUF012
    _attr_target_temperature = 52
    _attr_min_temp = 40
    _attr_max_temp = 65
    _attr_supported_features = WaterHeaterEntityFeature.TARGET_TEMPERATURE | WaterHeaterEntityFeature.OPERATION_MODE

    async def async_set_temperature(self, **kwargs: Any) -> None:
        self.show(target_temperature=kwargs["temperature"])

    async def async_set_operation_mode(self, operation_mode: str) -> None:
        self.show(current_operation=operation_mode)


class Number(Thing, NumberEntity):
    domain = "number"
    _attr_native_value = 5
    _attr_native_min_value = 0
    _attr_native_max_value = 30
    _attr_native_unit_of_measurement = "min"

    async def async_set_native_value(self, value: float) -> None:
        self.show(native_value=value)


class Select(Thing, SelectEntity):
    domain = "select"
    _attr_options = ["Quick wash", "Cotton", "Wool"]  # noqa: RUF012
    _attr_current_option = "Cotton"

    async def async_select_option(self, option: str) -> None:
        self.show(current_option=option)


class TodoList(Thing, TodoListEntity):
    domain = "todo"
    _attr_supported_features = (
        TodoListEntityFeature.CREATE_TODO_ITEM
        | TodoListEntityFeature.DELETE_TODO_ITEM
        | TodoListEntityFeature.UPDATE_TODO_ITEM
    )

    async def async_create_todo_item(self, item: TodoItem) -> None:
        item.uid = item.summary
        self.show(todo_items=[*(self.todo_items or []), item])

    async def async_delete_todo_items(self, uids: list[str]) -> None:
        self.show(todo_items=[item for item in self.todo_items or [] if item.uid not in uids])

    async def async_update_todo_item(self, item: TodoItem) -> None:
        self.show(todo_items=[item if known.uid == item.uid else known for known in self.todo_items or []])


class Alarm(Thing, AlarmControlPanelEntity):
    domain = "alarm_control_panel"
    _attr_alarm_state = AlarmControlPanelState.ARMED_AWAY
    _attr_code_arm_required = False
    _attr_code_format = CodeFormat.NUMBER
    _attr_supported_features = AlarmControlPanelEntityFeature.ARM_HOME | AlarmControlPanelEntityFeature.ARM_AWAY

    async def async_alarm_disarm(self, code: str | None = None) -> None:
        if code != "0042":
            raise HomeAssistantError("Wrong code")
        self.show(alarm_state=AlarmControlPanelState.DISARMED)

    async def async_alarm_arm_away(self, code: str | None = None) -> None:
        self.show(alarm_state=AlarmControlPanelState.ARMED_AWAY)


class Sensor(Thing, SensorEntity):
    domain = "sensor"


class BinarySensor(Thing, BinarySensorEntity):
    domain = "binary_sensor"


class SceneThing(Thing, Scene):
    domain = "scene"
    activated = 0

    async def async_activate(self, **kwargs: Any) -> None:
        self.activated += 1


LIVELY = {"color_mode": ColorMode.HS, "supported_color_modes": {ColorMode.HS, ColorMode.COLOR_TEMP}}
DIMMABLE = {"color_mode": ColorMode.BRIGHTNESS, "supported_color_modes": {ColorMode.BRIGHTNESS}}
STRIP = DeviceInfo(identifiers={(DOMAIN, "worktop")}, name="Worktop")
OPENS = CoverEntityFeature.OPEN | CoverEntityFeature.CLOSE


def things() -> list[Thing]:
    """Return the entities of the house, before Home Assistant knows them."""
    return [
        Lamp().setup("ceiling", "Ceiling Light", is_on=True, brightness=153, hs_color=(0.0, 100.0), **LIVELY),
        Lamp().setup("worktop", "Strip", device_info=STRIP, **DIMMABLE),
        Lamp().setup("reading_1", "Reading Lamp 1", is_on=False),
        Lamp().setup("reading_2", "Reading Lamp 2", is_on=False),
        Lamp().setup("cellar", "Cellar Light", is_on=True),
        Plug().setup("relay_7", "Coffee Machine"),
        Plug().setup("relay_8", "Aquarium Pump"),
        Fan().setup(
            "loft",
            "Loft Fan",
            supported_features=FanEntityFeature.TURN_ON | FanEntityFeature.TURN_OFF | FanEntityFeature.SET_SPEED,
        ),
        Cover().setup(
            "blind",
            "Window Blind",
            device_class=CoverDeviceClass.BLIND,
            current_cover_position=0,
            supported_features=OPENS | CoverEntityFeature.SET_POSITION,
        ),
        Cover().setup("shutter", "Plain Shutter", device_class=CoverDeviceClass.SHUTTER, supported_features=OPENS),
        Cover().setup("garage", "Garage Door", device_class=CoverDeviceClass.GARAGE, supported_features=OPENS),
        Valve().setup("garden", "Garden Tap"),
        Lock().setup("front", "Front Door"),
        Thermostat().setup("hall", "Hall Thermostat", target_temperature=20.0, current_temperature=19.5),
        Thermostat().setup(
            "range",
            "Loft Heat Pump",
            hvac_mode=HVACMode.HEAT_COOL,
            target_temperature_low=19.0,
            target_temperature_high=23.0,
            supported_features=ClimateEntityFeature.TARGET_TEMPERATURE_RANGE | ClimateEntityFeature.PRESET_MODE,
            preset_mode="none",
            preset_modes=["none", "away", "eco_plus"],
        ),
        Player().setup(
            "radio",
            "Kitchen Radio",
            volume_level=0.35,
            source="Tuner",
            source_list=["Tuner", "Record Player"],
            supported_features=MediaPlayerEntityFeature.VOLUME_SET
            | MediaPlayerEntityFeature.VOLUME_MUTE
            | MediaPlayerEntityFeature.PAUSE
            | MediaPlayerEntityFeature.SELECT_SOURCE
            | MediaPlayerEntityFeature.PLAY_MEDIA
            | MediaPlayerEntityFeature.SEARCH_MEDIA,
        ),
        Player().setup("beamer", "Beamer", supported_features=MediaPlayerEntityFeature.TURN_OFF),
        Humidifier().setup("mist", "Mist Maker"),
        Boiler().setup("boiler", "Boiler"),
        Number().setup("timer", "Oven Timer"),
        Select().setup("washer", "Washer Programme"),
        TodoList().setup(
            "errands",
            "Errands",
            todo_items=[
                TodoItem(uid="1", summary="Lamp Oil", status=TodoItemStatus.NEEDS_ACTION),
                TodoItem(uid="2", summary="Twine", status=TodoItemStatus.NEEDS_ACTION),
                TodoItem(uid="3", summary="Chalk", status=TodoItemStatus.COMPLETED),
            ],
        ),
        Alarm().setup("house", "House Alarm"),
        Sensor().setup(
            "attic_temperature",
            "Attic Temperature",
            device_class=SensorDeviceClass.TEMPERATURE,
            native_unit_of_measurement=UnitOfTemperature.CELSIUS,
            native_value=21.456,
            suggested_display_precision=1,
        ),
        Sensor().setup(
            "power",
            "House Power",
            device_class=SensorDeviceClass.POWER,
            native_unit_of_measurement="kW",
            native_value=3.2,
        ),
        BinarySensor().setup("porch", "Porch Door", device_class=BinarySensorDeviceClass.DOOR, is_on=True),
        BinarySensor().setup("leak", "Leak Sensor", device_class=BinarySensorDeviceClass.MOISTURE, is_on=False),
        SceneThing().setup("film", "Film Night"),
        SceneThing().setup("dawn", "Early Morning"),
    ]


class House:
    """The house in Home Assistant: its entities by id, the ids of its areas and of its satellite."""

    def __init__(self, hass: HomeAssistant, entities: Sequence[Thing]) -> None:
        self.hass = hass
        self.things = {entity.entity_id: entity for entity in entities}
        self.areas: dict[str, str] = {}
        self.satellite = ""

    def state(self, entity_id: str) -> str:
        state = self.hass.states.get(entity_id)
        assert state is not None
        return state.state

    def attribute(self, entity_id: str, name: str) -> Any:
        state = self.hass.states.get(entity_id)
        assert state is not None
        return state.attributes.get(name)

    def context(self, entity_id: str) -> Context:
        state = self.hass.states.get(entity_id)
        assert state is not None
        return state.context

    def expose(self, entity_id: str, exposed: bool = True) -> None:
        async_expose_entity(self.hass, "conversation", entity_id, exposed)


async def async_build(hass: HomeAssistant, entities: Sequence[Thing]) -> House:
    """Put the entities into Home Assistant, all of them exposed."""
    domains = sorted({entity.domain for entity in entities})
    assert await async_setup_component(hass, "homeassistant", {})

    async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
        await hass.config_entries.async_forward_entry_setups(entry, domains)
        return True

    mock_integration(hass, MockModule(DOMAIN, async_setup_entry=async_setup_entry))
    mock_platform(hass, f"{DOMAIN}.config_flow", None)
    for domain in domains:
        mock_platform(hass, f"{DOMAIN}.{domain}", MockPlatform(async_setup_entry=_setup_entry_of(entities, domain)))

    class Flow(ConfigFlow):
        """Makes no entries; Home Assistant wants a flow to be there."""

    entry = MockConfigEntry(domain=DOMAIN)
    entry.add_to_hass(hass)
    with mock_config_flow(DOMAIN, Flow):
        assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    house = House(hass, entities)
    for entity in entities:
        house.expose(entity.entity_id)
    return house


def _setup_entry_of(entities: Sequence[Thing], domain: str) -> Any:
    async def async_setup_entry(
        hass: HomeAssistant, entry: ConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
    ) -> None:
        async_add_entities([entity for entity in entities if entity.domain == domain])

    return async_setup_entry


async def async_furnish(hass: HomeAssistant) -> House:
    """Build the whole house, with its floors, areas, a satellite in the kitchen, and a light that is not exposed."""
    house = await async_build(hass, things())
    entities, areas, floors, devices = er.async_get(hass), ar.async_get(hass), fr.async_get(hass), dr.async_get(hass)
    upper = floors.async_create("Top Floor", level=1)
    lower = floors.async_create("Ground Floor", aliases={"Downstairs"}, level=0)
    rooms = {
        "kitchen": areas.async_create("Kitchen", aliases={"Galley"}, floor_id=lower.floor_id),
        "hall": areas.async_create("Hall", floor_id=lower.floor_id),
        "loft": areas.async_create("Loft", floor_id=upper.floor_id),
        "garage": areas.async_create("Garage"),
        "shed": areas.async_create("Shed"),
    }
    house.areas = {name: room.id for name, room in rooms.items()}
    for room, ids in {
        "kitchen": ("light.ceiling", "switch.relay_7", "media_player.radio", "cover.blind"),
        "hall": ("lock.front", "climate.hall", "binary_sensor.porch", "light.reading_1"),
        "loft": ("fan.loft", "climate.range", "cover.shutter", "light.reading_2"),
        "garage": ("cover.garage",),
    }.items():
        for id_ in ids:
            entities.async_update_entity(id_, area_id=rooms[room].id)
    strip = entities.async_get("light.worktop")
    assert strip is not None
    assert strip.device_id is not None
    devices.async_update_device(strip.device_id, area_id=rooms["kitchen"].id)
    entities.async_update_entity("light.ceiling", aliases=[er.COMPUTED_NAME, "Big Lamp"])
    house.expose("light.cellar", exposed=False)
    entry = MockConfigEntry(domain="satellites")
    entry.add_to_hass(hass)
    satellite = devices.async_get_or_create(config_entry_id=entry.entry_id, identifiers={("satellites", "one")})
    devices.async_update_device(satellite.id, area_id=rooms["kitchen"].id)
    house.satellite = satellite.id
    return house
