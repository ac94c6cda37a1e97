"""Which devices to tell a model about when a home has more than fit: those that the request most likely means.

The same code chooses in training and in serving. It looks at words only, so it takes no model and little time: the
words of the home are looked up once, and stay as long as its names and places do.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from heapq import nsmallest
from itertools import chain, islice, pairwise, zip_longest
from math import log

from .catalogue import CATALOGUE
from .home import Area, Device, Floor, Home
from .kind_words import EMPTY_WORDS, KIND_WORDS, NUMBER_WORDS, PLACE_WORDS, SEVERAL_WORDS

MAX_DEVICES = 40
"""Devices a prompt lists; our small models are trained on no more."""

_WORD = re.compile(r"[^\W_]+")
_SEAM = re.compile(r"(?<=[a-zà-ÿ0-9])(?=[A-ZÀ-Þ])")
_ID = re.compile(r"[a-z_]+\.[a-z0-9_]+")

# What speaks for a device, next to a word of the request in its names, which counts 1 and more the rarer it is.
_KIND = 0.9
"""The share that a word such as `hoover` has of the word of the kind that it may mean."""
_NEARLY = 0.7
"""The share that a misspelt word has, or a part of a longer one."""
_EARLIER = 0.4
"""The share that a word of the turn before has."""
_SAME_ROOM = 0.5
"""Standing in the room in which the request was spoken."""
_SAME_ROOM_ALONE = 2.0
"""The same when the request names no place."""
_WHOLE_NAME = 2.0
"""Having a name of which every word is in the request, for each of its words."""
_SPOKEN_OF = 20.0
"""Having its id in the turn before."""

_ALIKE = 0.6
"""The share of the best device's worth from which on another may be meant as well."""

_AS_GOOD = 0.85
"""The share of the best device's worth from which on another comes before one of what a single word means."""
_MOST_AS_GOOD = 8
"""Of these there are so many at most, as many as an answer may rest on; where there are more, there is doubt."""

_MOST_OF_A_NAME = 4
"""Devices of the same name that are told before all others."""
_LONGEST_NAME = 6
"""Words of a name that is looked for whole."""
_WORTH_TELLING = 0.3
"""The share of the best device's worth from which on another is told, if there is room."""
_FEWEST = 16
"""Devices that are told whatever they are worth, if there is doubt about what is meant."""
_FEW = 8
"""The same where there is none."""
_STANDING = 8
"""Devices that are told whatever is asked, if there is room."""
_MOST_KINDS = 8
"""Meanings of a word that is no mere guess."""
_BEST_FIRST = 1
"""Of the best devices there come so many before one of what a single word means."""
_MOST_UNKNOWN = 8
"""Words that are in no name, and are looked for all the same; each costs a look at every word of the home."""
_PART = 4
"""Letters of the shortest word that is looked for inside of another."""


@dataclass(frozen=True)
class Ranking:
    """The devices of a home in the order in which a request most likely means them.

    `order` holds positions in `home.devices`, of which the first `worth` are worth telling, and `alike` those of the
    devices whose words fit the request about as well as any do. `standing` are those told before them whatever is
    asked: what a model has read of these holds for the next request.
    """

    home: Home
    order: Sequence[int]
    worth: int
    alike: frozenset[int]
    standing: tuple[int, ...] = ()

    def first(self, count: int) -> Home:
        """Return the home with so many devices, in their own order after the standing ones, and with their places."""
        devices = self.home.devices
        if count >= len(devices):
            return self.home
        others = sorted(set(self.order[:count]).difference(self.standing))
        wanted = [devices[n].area for n in (*self.standing, *others)]
        ahead = set(wanted[: len(self.standing)])
        behind = {*wanted, self.home.room} - ahead
        areas = tuple(area for places in (ahead, behind) for area in self.home.areas if area.id in places)
        used = {area.floor for area in (self.home.areas if self.standing else areas)}
        return replace(
            self.home,
            devices=tuple(devices[n] for n in (*self.standing, *others)),
            areas=areas,
            floors=tuple(floor for floor in self.home.floors if floor.id in used),
            standing=len(self.standing),
        )

    def left_out(self, told: Home) -> int:
        """Return how many devices that may be meant as well as any are not told."""
        return sum(self.home.devices[n].id not in told.by_id for n in self.alike)


def choose(home: Home, request: str, limit: int = MAX_DEVICES) -> Home:
    """Return the home with at most `limit` devices, the likeliest ones."""
    return home if len(home.devices) <= limit else tell(rank(home, request), limit, lambda _: True)


def tell(ranking: Ranking, most: int, fits: Callable[[Home], bool]) -> Home:
    """Return the home with the devices worth telling, or as many of them as fit, at least one and at most `most`.

    The standing ones give way to those that the request means.
    """
    count = min(most, ranking.worth)
    if ranking.standing and len((told := ranking.first(count)).devices) <= most and fits(told):
        return told
    alone = replace(ranking, standing=())
    return alone.first(max(1, largest(alone, count, fits)))


def largest(ranking: Ranking, most: int, fits: Callable[[Home], bool]) -> int:
    """Return how many devices can be told, `most` at most: a home of so many fits, and one of more does not."""
    low, high = 0, min(most, len(ranking.home.devices)) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(ranking.first(middle)) else (low, middle)
    return low


def rank(home: Home, request: str, earlier: str = "") -> Ranking:
    """Return the devices in the order in which the request means them; `earlier` is the turn before it.

    A device fits the better, the more words of the request stand in its names, its area, its floor, its domain or its
    class, a rare word counting more than a frequent one. What fits far worse than the best is not worth telling, and of
    what is meant without doubt little else is. What fits equally is taken from each domain and each state in turn, so
    that of everything upstairs each kind is told, and of forty windows the two that are open.
    """
    index = _index_of(home)
    own = index.wanted(request)
    wanted = [*own, *index.wanted(earlier, _EARLIER)]
    phrases = _phrases(request)
    fit = index.fit(wanted, phrases)
    most = max(fit, default=0.0)
    alike = frozenset(n for n, score in enumerate(fit) if score >= _ALIKE * most) if most else frozenset()
    spoken_of = [index.position[id_] for id_ in _ID.findall(earlier) if id_ in index.position]
    scores = _with_surroundings(home, index, phrases, fit, spoken_of)
    order = _by_turns(scores, home.devices, phrases)
    best = dict.fromkeys([*index.by_name(phrases), *_as_good(order, scores)])
    clear = len(best) <= _MOST_AS_GOOD and index.is_clear(own, phrases, best) if own else bool(spoken_of)
    if clear:
        chosen, alike = best | dict.fromkeys(order[:_FEW]), frozenset(best)
    else:
        chosen = best | _likely(home, index, wanted, phrases, fit, scores, order)
    return Ranking(home, tuple(chosen | dict.fromkeys(order)), len(chosen), alike, index.standing)


def _likely(
    home: Home,
    index: _Index,
    wanted: Sequence[Mapping[str, float]],
    phrases: Collection[str],
    fit: Sequence[float],
    scores: Sequence[float],
    order: Sequence[int],
) -> dict[int, None]:
    """Return what is worth telling where much may be meant: the best, some for each word, and the room's."""
    least = _WORTH_TELLING * max(scores, default=0.0)
    worth_telling = max(_FEWEST, sum(score >= least for score in scores))
    groups = [index.positions[word] for word in _outright(wanted)]
    here = index.in_area.get(home.room or "", ())
    chosen = _with_each_group(order[:worth_telling], order, [[n for n in here if fit[n]], *groups])
    return chosen | dict.fromkeys(here) if index.places.isdisjoint(phrases) else chosen


def _with_surroundings(
    home: Home, index: _Index, phrases: Collection[str], fit: Sequence[float], spoken_of: Iterable[int]
) -> list[float]:
    """Return the scores with what speaks for a device besides its words."""
    scores = list(fit)
    here = _SAME_ROOM_ALONE if index.places.isdisjoint(phrases) else _SAME_ROOM
    for n in index.in_area.get(home.room or "", ()):
        scores[n] += here
    for age, id_ in enumerate(home.recent):
        if id_ in index.position:
            scores[index.position[id_]] += _SAME_ROOM / (1 + age)
    for n in spoken_of:
        scores[n] += _SPOKEN_OF
    return scores


def _as_good(order: Sequence[int], scores: Sequence[float]) -> Iterator[int]:
    """Yield those that fit best, and those that fit about as well: an answer may rest on all of them."""
    best = scores[order[0]] if order else 0.0
    for n in order[: _MOST_AS_GOOD + 1]:
        if scores[n] < _AS_GOOD * best:
            return
        yield n


def _outright(wanted: Iterable[Mapping[str, float]]) -> list[str]:
    """Return the words that stand for one that was said, and not for a guess at several, the rarest first."""
    said = {word: worth for words in wanted if len(words) <= _MOST_KINDS for word, worth in words.items()}
    return sorted(said, key=lambda word: -said[word])


def _by_turns(scores: Sequence[float], devices: Sequence[Device], said: Collection[str]) -> list[int]:
    """Return the positions by score, those of equal score from each domain and each state in turn.

    Where a state is said, what is in it and what is not take turns: one is asked for, the other is what would matter.
    """
    says_state = any(device.state in said for device in devices)
    fitting = [n for n, score in enumerate(scores) if score > 0]
    others = [n for n, score in enumerate(scores) if score <= 0]
    if len(fitting) < MAX_DEVICES:
        fitting, others = [*range(len(scores))], []
    seen: Counter[tuple[float, str, str | bool]] = Counter()
    turn = {}
    for n in fitting:
        device = devices[n]
        state = device.state in said if says_state else device.state if device.state.isalpha() else ""
        key = (scores[n], device.domain, state)
        turn[n] = seen[key]
        seen[key] += 1
    return sorted(fitting, key=lambda n: (-scores[n], turn[n])) + others


def _with_each_group(best: Sequence[int], order: Sequence[int], groups: Sequence[Sequence[int]]) -> dict[int, None]:
    """Return the best with the first of each group between them: a request may be about several things."""
    if not groups:
        return dict.fromkeys(best)
    place = {n: position for position, n in enumerate(order)}
    share = 1 + MAX_DEVICES // (_BEST_FIRST * len(groups))
    queues = [nsmallest(share, group, key=place.__getitem__) for group in groups]
    merged: dict[int, None] = {}
    remaining = iter(best)
    for n in chain.from_iterable(zip_longest(*queues)):
        if n is not None:
            merged |= dict.fromkeys([*islice(remaining, _BEST_FIRST), n])
    return merged | dict.fromkeys(best)


class _Index:
    """The words of a home: which devices have them, and what a request may mean by its own."""

    def __init__(self, devices: Iterable[_Named], areas: Collection[Area], floors: Collection[Floor]) -> None:
        floor_words = {floor.id: _words(floor.names) for floor in floors}
        of_area = {area.id: _words(area.names) | floor_words.get(area.floor or "", frozenset()) for area in areas}
        called = [name for area in areas for name in area.names] + [name for floor in floors for name in floor.names]
        self.places = frozenset(phrase for name in called for phrase in _whole(name))
        self.position: dict[str, int] = {}
        self.positions: dict[str, list[int]] = defaultdict(list)
        self.in_area: dict[str, list[int]] = defaultdict(list)
        self.named: dict[str, list[int]] = defaultdict(list)
        self._having: dict[str, frozenset[int]] = {}
        for n, (id_, names, kind, area) in enumerate(devices):
            self.position[id_] = n
            words, phrases = _device_words(id_.partition(".")[0], kind, names)
            for word in words | of_area.get(area or "", frozenset()):
                self.positions[word].append(n)
            for phrase in phrases:
                self.named[phrase].append(n)
            if area:
                self.in_area[area].append(n)

    @cached_property
    def standing(self) -> tuple[int, ...]:
        """Devices of the kinds that there are most of and that can be controlled, a few of each, in their own order."""
        of_domain: dict[str, list[int]] = defaultdict(list)
        for id_, n in self.position.items():
            if (domain := id_.partition(".")[0]) in CATALOGUE:
                of_domain[domain].append(n)
        most = sorted(of_domain.values(), key=len, reverse=True)[: _STANDING // 2]
        turns = chain.from_iterable(zip_longest(*(positions[:_STANDING] for positions in most)))
        return tuple(sorted(islice((n for n in turns if n is not None), _STANDING)))

    def is_clear(self, wanted: Sequence[Mapping[str, float]], phrases: Iterable[str], best: Iterable[int]) -> bool:
        """Return whether one thing is asked for, with a name or a place, and one of the best devices has all its words.

        That is each word, or one that it may mean.
        """
        named = any(word not in _KIND_NAMES for phrase in self.said(phrases) for word in phrase.split())
        return (
            named
            and _SEVERAL.isdisjoint(phrases)
            and any(
                all(any(device in self.having(word) for word in words) for words in wanted if words) for device in best
            )
        )

    def having(self, word: str) -> frozenset[int]:
        """Return the devices that have a word."""
        if word not in self._having:
            self._having[word] = frozenset(self.positions.get(word, ()))
        return self._having[word]

    def said(self, phrases: Iterable[str]) -> list[str]:
        """Return those that name a place, or a device in several words."""
        return [phrase for phrase in phrases if phrase in self.places or (" " in phrase and phrase in self.named)]

    def by_name(self, phrases: Iterable[str]) -> Iterator[int]:
        """Yield the devices of which a name of several words is said whole, and is no part of a longer one."""
        said = self.said(phrases)
        for phrase in said:
            if not any(phrase in other for other in said if other != phrase):
                yield from self.named.get(phrase, ())[:_MOST_OF_A_NAME]

    @cached_property
    def _by_length(self) -> dict[int, list[str]]:
        """The words that another may nearly be: those of the home that have no digit, and those for kinds."""
        lengths: dict[int, list[str]] = defaultdict(list)
        for word in dict.fromkeys((*self.positions, *_KINDS_OF)):
            if len(word) >= _PART and word.isalpha():
                lengths[len(word)].append(word)
        return lengths

    def wanted(self, said: str, share: float = 1.0) -> list[dict[str, float]]:
        """Return for each word that is said the words of the home that it may mean, with what they are worth."""
        tokens = _tokens(said)
        tokens += [both for pair in pairwise(tokens) if (both := "".join(pair)) in self.positions]
        return [*self._meant(tokens, share)] or [self._known(word, share) for word in tokens if word in _KINDS_OF]

    def _meant(self, tokens: Iterable[str], share: float) -> Iterator[dict[str, float]]:
        unknown = []
        for word in dict.fromkeys(tokens):
            if word in _EMPTY and word not in self.places:
                continue
            if word in self.positions or word in _KINDS_OF:
                yield self._known(word, share)
            elif len(word) >= _PART and word.isalpha():
                unknown.append(word)
        for word in sorted(unknown, key=len, reverse=True)[:_MOST_UNKNOWN]:
            like: dict[str, float] = {}
            for other in self._like(word):
                like |= self._known(other, share * _NEARLY)
            yield like

    def _known(self, word: str, share: float) -> dict[str, float]:
        """Return what a word is worth: 1 when every device has it, and more the rarer it is, its kinds together."""
        kinds = [kind for kind in _KINDS_OF.get(word, ()) if kind in self.positions]
        of_kinds = share * _KIND * self._worth(sum(len(self.positions[kind]) for kind in kinds))
        of_word = {word: share * self._worth(len(self.positions[word]))} if word in self.positions else {}
        return dict.fromkeys(kinds, of_kinds) | of_word

    def _worth(self, devices: int) -> float:
        return 1 + log(max(1.0, len(self.position) / max(1, devices)))

    def _like(self, word: str) -> list[str]:
        """Return what an unknown word is but for a slip, or else what it is part of or made of."""
        near = [
            other
            for length in (len(word) - 1, len(word), len(word) + 1)
            for other in self._by_length.get(length, ())
            if (other[0] == word[0] or other[-1] == word[-1]) and _one_slip(word, other)
        ]
        return near or [
            other for others in self._by_length.values() for other in others if other in word or word in other
        ]

    def fit(self, wanted: Iterable[Mapping[str, float]], phrases: Mapping[str, int]) -> list[float]:
        """Return for each device what it is worth for the words, and for a name that is said whole."""
        scores = [0.0] * len(self.position)
        for words in wanted:
            best: dict[int, float] = {}
            for word, worth in sorted(words.items(), key=lambda item: item[1]):
                best |= dict.fromkeys(self.positions[word], worth)
            for n, worth in best.items():
                scores[n] += worth
        for phrase, words_of_phrase in phrases.items():
            for n in self.named.get(phrase, ()):
                scores[n] += _WHOLE_NAME * words_of_phrase
        return scores


_Named = tuple[str, tuple[str, ...], str, str | None]
"""Id, names, class and area of a device: what does not change with its state."""


def _index_of(home: Home) -> _Index:
    named = tuple((device.id, device.names, device.attributes.get("class", ""), device.area) for device in home.devices)
    return _index(named, home.areas, home.floors)


@lru_cache(maxsize=4)
def _index(devices: tuple[_Named, ...], areas: tuple[Area, ...], floors: tuple[Floor, ...]) -> _Index:
    return _Index(devices, areas, floors)


@lru_cache(maxsize=16384)
def _device_words(domain: str, kind: str, names: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the words of a device's names, domain and class, and its names as phrases of such words."""
    return _words((domain, kind, *names)), tuple({phrase for name in names for phrase in _whole(name)})


def learn_words(device: Device) -> None:
    """Look up the words of one device, which are then remembered."""
    _device_words(device.domain, device.attributes.get("class", ""), device.names)


def _whole(name: str) -> set[str]:
    """Return a name as it may be said: its words, and all of them written in one."""
    tokens = _digits(_tokens(name))
    return {" ".join(tokens), "".join(tokens)}


def _phrases(text: str) -> dict[str, int]:
    """Return what names may be among a text's words, with the number of words of each."""
    tokens = _digits(_tokens(text))
    return {
        " ".join(tokens[begin:end]): end - begin
        for begin in range(len(tokens))
        for end in range(begin + 1, min(len(tokens), begin + _LONGEST_NAME) + 1)
    }


def _words(texts: Iterable[str]) -> frozenset[str]:
    """Return the words of texts; of one that is written in one, such as `OfficeLamp`, the parts too."""
    return frozenset(token for text in texts for written in {text, _SEAM.sub(" ", text)} for token in _tokens(written))


def _tokens(text: str) -> list[str]:
    """Return the words in small letters without accents, and without the ending of a plural."""
    text = text.replace("_", " ").casefold()
    if not text.isascii():
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return [_singular(word) for word in _WORD.findall(text)]


def _digits(words: Iterable[str]) -> list[str]:
    """Return the words, numbers among them in digits: `lamp two` is `Lamp 2`."""
    return [_NUMBERS.get(word, word) for word in words]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word


def _one_slip(one: str, other: str) -> bool:
    """Return whether two words differ in one letter: another one, one more, or two that are swapped."""
    begin, end = 0, 0
    shorter = min(len(one), len(other))
    while begin < shorter and one[begin] == other[begin]:
        begin += 1
    while end < shorter - begin and one[-1 - end] == other[-1 - end]:
        end += 1
    left, right = one[begin : len(one) - end], other[begin : len(other) - end]
    return (len(left) <= 1 and len(right) <= 1) or (len(left) == 2 and left == right[::-1])


_NUMBERS = {
    word: str(number) for words in NUMBER_WORDS.values() for number, word in enumerate(_tokens(words), 1) if number > 1
}
_SEVERAL = frozenset(token for words in SEVERAL_WORDS.values() for token in _tokens(words))
_EMPTY = frozenset(token for words in EMPTY_WORDS.values() for token in _tokens(words))


def _meanings(*tables: dict[str, dict[str, str]]) -> dict[str, tuple[str, ...]]:
    meanings: dict[str, dict[str, None]] = defaultdict(dict)
    for of_language in chain.from_iterable(table.values() for table in tables):
        for meant, words in of_language.items():
            for word in _tokens(words):
                meanings[word] |= dict.fromkeys(_tokens(meant))
    return {word: tuple(of_word) for word, of_word in meanings.items()}


_KINDS_OF = _meanings(KIND_WORDS, PLACE_WORDS)
"""By word the kinds, or the words of places, that it may mean."""
_KIND_NAMES = _meanings(KIND_WORDS).keys()
"""The words that mean kinds, and tell no single device from another."""
