"""What people call the kinds of device, and the words that name nothing: data for `choice.py`, by language.

A kind is a word that stands in a domain or a device class, such as `cover` or `window`. Words are in small letters,
without the -s of a plural; which language is spoken is not known, so all of them hold at once.
"""

from __future__ import annotations

KIND_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "light": "lite sunlight daylight lamp bulb lighting dim dimmer brighten brighter brightness bright dark "
        "darker color colour white red green blue yellow orange purple pink everything nothing device house home",
        "switch": "plug outlet socket appliance everything nothing device house home switch",
        "outlet": "plug socket",
        "fan": "ventilator blower purifier everything nothing device house home",
        "cover": "unfold spread ajar blind shade shutter curtain drape awning garage gate roller lower raise open "
        "opened close closed shut stop",
        "garage": "gate",
        "curtain": "drape drapery",
        "shutter": "roller rollershutter",
        "boolean": "mode toggle helper",
        "valve": "tap faucet irrigation sprinkler water",
        "lock": "locked unlock unlocked bolt door",
        "climate": "temp hot hotter thermostat heating heater radiator hvac ac aircon conditioner conditioning heat "
        "cool warm warmer cold colder temperature degree",
        "humidifier": "dehumidifier humidity",
        "heater": "boiler",
        "media": "quiet silence hush loud rewind resume break shush title tv television telly speaker stereo radio "
        "music song player soundbar play pause mute unmute volume louder quieter playing listen hear watch sound "
        "noise screen movie everything nothing stream device house home skip hdmi aux input source channel video "
        "show stop replay previous next silent track back",
        "vacuum": "mop mopping crumb spill spilled dirty dirt hoover roomba robot cleaner sweep sweeping clean "
        "cleaning dock docked recharge",
        "mower": "mow lawnmower robot grass dock docked trim garden recharge",
        "scene": "mood activate mode",
        "script": "routine run",
        "automation": "routine trigger",
        "button": "press push",
        "select": "mode option programme program",
        "todo": "list shopping grocery task chore errand item buy add remove",
        "siren": "horn alarm",
        "alarm": "security arm armed disarm disarmed",
        "person": "who where anyone anybody everyone everybody somebody someone home people family kid guest",
        "weather": "forecast rain raining snow snowing sunny cloudy windy outside outdoor drizzle drizzling breezy "
        "storm",
        "timer": "countdown time",
        "temperature": "temp hot hotter hottest warm warmer warmest cold colder coldest cool cooler coolest degree "
        "thermometer",
        "humidity": "moist moisture humid damp dry drier",
        "battery": "charge charged charging low empty",
        "charging": "charger",
        "power": "powered unpowered supply electricity watt consumption consuming drawing load",
        "energy": "consumption electricity kwh used",
        "gas": "methane",
        "problem": "issue fault trouble error broken malfunction wrong faulty",
        "safety": "safe unsafe dangerous danger",
        "running": "run use machine active idle stopped operation working going",
        "moving": "moved move movement parked standing tracker motion still",
        "vibration": "vibrating shaking shake rattle rattling knock",
        "tamper": "tampered tampering manipulation",
        "sound": "noise loud quiet noisy silent hear hearing",
        "glass": "broken break",
        "heat": "hot overheating",
        "cold": "freezing frost",
        "monetary": "cost money price bill",
        "timestamp": "when",
        "date": "when",
        "signal": "wifi reception",
        "precipitation": "rain rainfall",
        "wind": "windy",
        "data": "traffic speed download",
        "duration": "long time",
        "sensor": "detector meter reading",
        "illuminance": "sunlight daylight brightness lux bright dark",
        "volatile": "voc",
        "carbon": "co co2 air",
        "moisture": "leak leaking water wet dry flood damp drier flooded",
        "motion": "movement moving moved someone anyone anybody pir tripped triggered",
        "occupancy": "occupied presence someone anyone anybody nobody",
        "presence": "present occupancy someone anyone anybody nobody tracker home house away out gone",
        "smoke": "fire burning burn triggered",
        "connectivity": "connected disconnected connection online offline internet reachable unreachable live",
        "plug": "plugged unplugged cable",
        "update": "current latest updated outdated date update updating",
        "opening": "ajar door window contact open closed",
        "door": "ajar contact open closed",
        "window": "ajar contact open closed",
        "binary": "contact sensor detector tracker",
    },
    "de": {
        "light": "alles licht lichter lampen leuchten lampe leuchte beleuchtung helligkeit hell heller dunkel "
        "dunkler dimme dimmen",
        "switch": "alles schalter steckdose stecker gerät",
        "outlet": "steckdose stecker",
        "fan": "alles ventilator lüfter luftreiniger",
        "cover": "rollladen rolladen rollo jalousie raffstore vorhang gardine markise garagentor tor öffne schließe "
        "offen geöffnet geschlossen zu",
        "valve": "ventil hahn bewässerung wasser",
        "lock": "schloss schlösser tür türen haustür abgeschlossen abschließen aufschließen verriegelt entriegelt",
        "climate": "thermostat heizung heizkörper klimaanlage klima temperatur grad wärmer kälter warm kalt",
        "humidifier": "luftbefeuchter luftentfeuchter feuchtigkeit",
        "heater": "boiler warmwasser",
        "media": "alles fernseher glotze lautsprecher anlage radio musik lied lautstärke lauter leiser spiele stumm "
        "film video weiter zurück stopp",
        "vacuum": "sauger staubsauger saugroboter saugen roboter",
        "mower": "mäher rasenmäher mähroboter mähen rasen",
        "scene": "szene stimmung",
        "script": "skript ablauf",
        "automation": "automatisierung automatik",
        "button": "taste knopf drücke",
        "select": "modus programm auswahl",
        "todo": "liste einkaufsliste einkauf aufgabe",
        "siren": "sirene",
        "alarm": "alarmanlage scharf unscharf",
        "person": "wer wo jemand niemand daheim familie leute",
        "weather": "wetter regen regnet vorhersage draußen",
        "temperature": "temperatur warm kalt grad",
        "humidity": "feuchtigkeit luftfeuchtigkeit feucht",
        "battery": "batterie akku",
        "power": "leistung verbrauch watt",
        "energy": "energie verbrauch strom",
        "moisture": "leck wasser nass trocken",
        "motion": "bewegung bewegungsmelder",
        "occupancy": "belegt besetzt",
        "presence": "anwesend anwesenheit",
        "smoke": "rauch rauchmelder feuer",
        "problem": "störung fehler problem kaputt",
        "gas": "methan",
        "running": "läuft",
        "sound": "geräusch laut leise",
        "opening": "tür fenster kontakt offen geöffnet geschlossen zu",
        "door": "tür türen haustür offen geöffnet geschlossen zu",
        "window": "fenster offen geöffnet geschlossen zu",
    },
}
"""By language the kinds, each with the words that may mean it."""

PLACE_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "attic": "loft",
        "basement": "cellar",
        "bathroom": "bath toilet loo wc restroom washroom",
        "cellar": "basement",
        "corridor": "hallway hall passage",
        "downstairs": "ground lower",
        "garden": "yard backyard",
        "ground": "downstairs",
        "hall": "hallway corridor passage entrance",
        "hallway": "hall corridor passage",
        "living": "lounge sitting",
        "loft": "attic",
        "lounge": "living",
        "nursery": "baby kid",
        "office": "study",
        "patio": "terrace",
        "study": "office",
        "terrace": "patio",
        "toilet": "loo wc restroom bathroom",
        "upper": "upstairs",
        "upstairs": "upper first",
        "yard": "garden backyard",
    },
    "de": {
        "bad": "badezimmer",
        "badezimmer": "bad",
        "büro": "arbeitszimmer",
        "arbeitszimmer": "büro",
        "dachboden": "speicher",
        "flur": "diele gang korridor",
        "keller": "untergeschoss",
        "klo": "toilette wc",
        "wc": "toilette klo",
        "wohnzimmer": "stube",
    },
}
"""By language the words of places, each with others that may mean the same."""

EMPTY_WORDS: dict[str, str] = {
    "en": "a an the this that these those my our your his her its and or but not no to of in on at by for from with up "
    "down off out over into is are was were be been am do does did has have had can could will would shall should may "
    "might must please just now then again still also too very it them they we you he she me us i what which when how "
    "why there here all any every both each set turn make put get give take let tell show want need like hey ok okay "
    "hello thank don doesn isn aren house around anywhere somewhere one two device thing count many much right going "
    "currently moment mind while about some only really kindly sure know see check think ones other another same long "
    "time first last next back more less bit little way good great new number home whole entire everywhere most room "
    "switch",
    "de": "der die das den dem des ein eine einen einem einer und oder aber nicht kein keine im in an am auf aus ab "
    "bei für von vom mit nach über unter ist sind war waren bin sei hat habe haben kann kannst könntest würdest soll "
    "bitte mal jetzt dann wieder noch auch sehr es sie er wir ihr du ich mir uns was welche welcher welches wann wie "
    "warum da hier alle jede jeder beide mach mache machen schalte stell stelle setze gib zeige haus zuhause irgendwo "
    "gerät ding viele viel gerade zimmer raum",
}
"""By language the words that stand in any request, and tell little about what is meant, even if a name has them.

Those that are words for kinds too mean these where a request has no better word.
"""

NUMBER_WORDS: dict[str, str] = {
    "en": "one two three four five six seven eight nine ten",
    "de": "eins zwei drei vier fünf sechs sieben acht neun zehn",
}
"""By language the numbers from one on, of which names have some in digits."""

SEVERAL_WORDS: dict[str, str] = {"en": "and then plus also", "de": "und dann außerdem"}
"""By language the words that join one request to another."""
