"""Write the bundled sample: simulated requests for a free pizza, as JSON Lines.

No person wrote any of it. Every sentence is put together from the phrase lists below, and whether
a request "received" its pizza is drawn from a logistic model that this file states in full, so
the best possible score on the sample is known (`simulate` returns the true probabilities).

Source of the model: T. Althoff, C. Danescu-Niculescu-Mizil and D. Jurafsky, "How to Ask for a
Favor: A Case Study on the Success of Altruistic Requests", ICWSM 2014, table 3 (arXiv:1405.3282).
Where this sample departs from it, or may:

- The variables are the paper's. The values of COEFFICIENTS were typed from memory of table 3 and
  have not been checked against the printed table: they are the truth of this sample, not a
  quotation. Do not cite them as the paper's results.
- The intercept is our own, set so that about one request in four succeeds, as in the paper.
- The paper finds narratives, thanks and sentiment with word lists; here each is a switch that
  adds a sentence or two, on or off.
- The switches of one request go together (`care` below), and pictures are more frequent than in
  real requests; both are our choice, so that 3,000 rows are enough to learn from.
- Deciles are those of the distributions drawn from: KARMA_EDGES for karma, and for the age of the
  community the time since START in tenths of the whole period.
- "First half of the month" is days 1 to 15 in UTC. A model that sees the time as a number can
  hardly learn it; it stays because it belongs to the model and costs little.
- Account age, comments and device have no effect.

Usage: python tools/sample.py [PATH]     (standard output without PATH)
"""

import hashlib
import json
import math
import random
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

# Picked from 32 seeds. By chance, a plain linear model's held-out AUC falls short of the best
# possible by less with this one (0.006) than on average over them (0.015).
SEED = 2028
ROWS = 3000
START = int(datetime(2011, 6, 1, tzinfo=UTC).timestamp())
DAYS = 883  # from 1 June 2011 up to and including 30 October 2013

INTERCEPT = -2.35
COEFFICIENTS = {
    "community_age_decile": -0.13,
    "first_half_of_month": 0.22,
    "gratitude": 0.27,
    "image": 0.81,
    "reciprocity": 0.32,
    "positive": 0.14,
    "negative": -0.07,
    "hundred_words": 0.30,
    "karma_decile": 0.13,
    "posted_before": 1.34,
    "craving": -0.34,
    "family": 0.22,
    "job": 0.26,
    "money": 0.19,
    "student": 0.09,
}
NARRATIVES = ("craving", "family", "job", "money", "student")

# How often each switch is on, our choice. Those in CAREFUL are more frequent the more care the
# writer takes, and "craving" is less.
RATES = {
    "craving": 0.32,
    "family": 0.34,
    "job": 0.28,
    "money": 0.42,
    "student": 0.26,
    "gratitude": 0.50,
    "reciprocity": 0.34,
    "image": 0.17,
    "positive": 0.18,
    "negative": 0.18,
}
CAREFUL = ("family", "job", "money", "gratitude", "reciprocity", "image")
POSTED_BEFORE_RATE = 0.15
TITLE_ENDING_RATE = 0.95
EMPTY_BODY_RATE = 0.02
LOWER_CASE_RATE = 0.12
MISSING_AGE_RATE = 0.03

KARMA_EDGES = (-90, 0, 6, 45, 160, 390, 800, 1500, 2900, 6200, 48000)
COMMENT_EDGES = (0, 0, 1, 5, 17, 44, 90, 165, 290, 560, 980)
ACCOUNT_AGE_EDGES = (0, 1, 14, 60, 120, 200, 290, 400, 540, 760, 2400)
# One of these is drawn for each request, then one of its strings between each two sentences.
SEPARATORS = ((" ",), (" ",), (" ", " ", "\n\n"), (" ", "\n"))
POSTS_BEFORE = (1, 1, 1, 1, 2, 2, 3, 4, 6, 9)
DEVICES = ("web", "web", "mobile", "app")
# Most people ask in the evening; an hour listed twice is twice as likely.
HOURS = (0, 0, 1, 1, 2, 2, 3, 4, 5, 12, 14, 15, 16, 17, 18, 19, 20, 21, 21, 22, 22, 23, 23, 23)

PLAIN_TITLES = (
    "{tag} {hungry} and hopeful {emoji}",
    "{tag} Hoping for a surprise {pizza}",
    "{tag} A {pizza} would make my {day}",
    "{tag} First time asking, {place}",
    "{tag} Looking for somebody generous tonight",
)
STORY_TITLES = {
    "craving": (
        "{tag} Friends are over and we are craving a {pizza}",
        "{tag} Birthday with friends, craving a {pizza}",
        "{tag} Drunk and craving {topping}",
    ),
    "family": (
        "{tag} A {pizza} for my family and the kids",
        "{tag} Family of {count} in {place}",
        "{tag} Kids asking for {pizza}, family in need",
    ),
    "job": (
        "{tag} Lost my job, dinner would help",
        "{tag} Unemployed and no job in sight",
        "{tag} Job interview tomorrow, nothing to eat",
    ),
    "money": (
        "{tag} Broke until {weekday}, no money for food",
        "{tag} Rent took all my money, broke in {place}",
        "{tag} Broke until my paycheck",
    ),
    "student": (
        "{tag} College student, finals week",
        "{tag} {hungry} college student in {place}",
        "{tag} Student studying for finals",
    ),
}
TITLE_ENDINGS = {
    "reciprocity": ", will pay it forward",
    "image": " (picture inside)",
    "gratitude": ". Thank you!",
}
GREETINGS = (
    "Hi everyone!",
    "Hello all.",
    "Hey there!",
    "Good evening from {place}.",
    "Hi folks {emoji}",
    "Greetings from {place}!",
    "Long time reader, first time asking.",
    "So this is a bit awkward.",
    "Never thought I would write one of these.",
    "Okay, here goes.",
    "I feel a little silly typing this, but here I am.",
    "Hello from a very {weather} {place}.",
)
ASKS = (
    "A simple {pizza} would be wonderful tonight.",
    "If somebody could send a {pizza} my way, I would be set.",
    "I am hoping for a {pizza}, nothing fancy, {topping} if there is a choice.",
    "Could anyone help me out with a {pizza}?",
    "Any kind of {pizza} is fine, I am not picky about toppings.",
    "There is a {shop} {distance} and they deliver until {hour}.",
    "A {size} {topping} {pizza} would carry me through.",
    "Would anyone be up for sending a {size} {pizza} to {place}?",
    "I would love a {pizza} with {topping}, but plain cheese is great too.",
    "The {shop} near me takes online orders, I can send the address.",
)
STORIES = {
    "craving": (
        "I have been craving {pizza} with {topping} all {day}.",
        "It is my friend's birthday and we are all craving something greasy.",
        "A few friends came over for {hobby} and everybody is drunk and craving {topping}.",
        "My friends and I are celebrating with beer, and the craving for {pizza} set in.",
        "I am hungover from last night's party and craving {topping}.",
        "My girlfriend and I planned a date tonight and we are both craving {pizza}.",
        "My boyfriend is coming for a date and I have a serious craving.",
        "Honestly it is just a craving, beer and friends go so well with {topping}.",
        "There is beer here, a bunch of drunk friends and one big craving.",
        "I had a few beers at a party and the craving will not go away.",
        "Tonight is my birthday and I would like to celebrate it with friends and {pizza}.",
    ),
    "family": (
        "My {relative} and the kids have had {simple_food} {count} nights in a row.",
        "I would like to give my family one nice evening.",
        "We are a family of {count} and the kids are tired of {simple_food}.",
        "My {relative} has been sick and I am looking after the whole family.",
        "The kids have been asking for {pizza} since {weekday}.",
        "My {relative} came home from the hospital and nobody in the family can cook.",
        "I am raising {count} kids with my {relative} and it has been a rough {season}.",
        "My {relative} had a hard {season} and the family could use a treat.",
        "It is family night with the kids and {simple_food} is all I can offer.",
        "My {relative} skips dinner so that our kids can eat.",
        "My family helps where it can, but the kids eat like wolves.",
    ),
    "job": (
        "I lost my job at a {workplace} in {month}.",
        "The {workplace} cut everyone's hours and then my job was gone.",
        "I have been unemployed since {month} and cannot find a job.",
        "I had a job interview at a {workplace} on {weekday} and am waiting to hear back.",
        "I was laid off from my job at the {workplace} {count} weeks ago.",
        "My new job at a {workplace} starts next {weekday}, until then I am unemployed.",
        "I am unemployed and my claim is still being processed.",
        "I was fired from my job at a {workplace} and have been looking for work ever since.",
        "I have sent out {number} job applications and got one interview.",
        "My boss at the {workplace} closed the place and now I am unemployed.",
        "Finding a job in {place} is hard, I have been unemployed too long.",
    ),
    "money": (
        "Rent was due on {weekday} and took the last of my money.",
        "I am broke, with {small_number} dollars left until my paycheck.",
        "My paycheck does not come until {weekday} and I am broke.",
        "The {bill} bill was twice what I expected, so I am broke.",
        "My car broke down and the repair took all the money I had.",
        "After rent and the {bill} bill there is no money left for groceries.",
        "My bank put a hold on my paycheck, so there is no money in the account.",
        "I am completely broke until {weekday}, when I get paid.",
        "An overdraft fee ate the last of my money.",
        "I paid the rent and the {bill} bill first and now I am broke.",
        "Money is very tight this month, I sold my {thing} to make rent.",
    ),
    "student": (
        "I am a college student and the dining hall is closed for the break.",
        "Finals are next week and I have been studying since {hour}.",
        "I am a student in my {ordinal} year of college and live on {simple_food}.",
        "My roommate and I are studying for the {subject} final.",
        "Tuition went up and my student loan is late this semester.",
        "I have a {subject} exam in college on {weekday} and no time to cook.",
        "Stuck in the dorm studying for {subject} class.",
        "The semester started and textbooks for college left nothing over.",
        "Grad school is wonderful, but a student stipend does not go far.",
        "I am a student and the college cafe shuts early.",
        "My college study group has been at {subject} since {hour}, finals are close.",
    ),
}
CUES = {
    "gratitude": (
        "Thank you so much for reading.",
        "Thank you in advance!",
        "I would really appreciate it, thank you.",
        "Thank you, whoever you are {emoji}",
        "I would be so grateful, thank you.",
        "Many thanks from {place}, and thank you for this community.",
        "Thanks for even considering it, I appreciate it.",
        "Either way, thank you all.",
    ),
    "reciprocity": (
        "I will pay it forward as soon as I am back on my feet.",
        "I promise to return the favor and pay it forward when I can.",
        "I plan to pay it forward next {season}.",
        "I will gladly return the favor to somebody else here in {month}.",
        "When things look up I want to pay it forward twice.",
        "Happy to return the favor with {hobby} lessons, or to pay it forward.",
        "As soon as I can, I will pay it forward to the next person in {place}.",
    ),
    "image": (
        "Here is a picture of my fridge: https://example.org/image/{code}.jpg",
        "Picture for proof: https://example.org/image/{code}.jpg",
        "Picture: https://example.org/image/{code}.jpg",
        "I took a picture as proof https://example.org/image/{code}.jpg",
    ),
    "positive": (
        "This community is amazing and you are the best people!",
        "I love this place, so many wonderful and kind people!",
        "Reading the happy stories here is awesome, I love it!",
        "You are all amazing, I am so happy this exists!",
    ),
    "negative": (
        "It has been a terrible, awful {day} and I hate all of it.",
        "Everything went horribly wrong this week and I feel miserable.",
        "I hate asking, I feel awful and ashamed.",
        "Worst week ever, I am miserable and sick of it.",
    ),
}
FILLERS = (
    "It is {weather} outside and I have not left the couch.",
    "The fridge holds {simple_food} and half a lemon.",
    "I have been watching {hobby} videos to keep my mind off it.",
    "My {pet} is staring at me as if I had answers.",
    "It is {weather} in {place} and the buses stopped at {hour}.",
    "I moved to {place} in {month} and know hardly anyone yet.",
    "My oven gave up in {month}, so frozen ones are out.",
    "I spent the {day} fixing my {thing}.",
    "I am in {place}, the {shop} here is open late.",
    "The last proper meal I had was {simple_food} on {weekday}.",
    "I have been eating {simple_food} since {weekday}.",
    "I can send a message with the details.",
    "Ask me anything if you want to know more.",
    "The {pet} already ate, so it is only me.",
    "I have a {weather} walk ahead of me otherwise.",
    "I would trade my {thing} for a slice right now.",
    "I know others here need it more, so no hard feelings.",
    "For what it is worth, I do {hobby} in my spare time.",
)
SIGN_OFFS = (
    "Have a good {day}!",
    "Take care, {place}.",
    "Cheers {emoji}",
    "Stay warm out there.",
    "That is all from me.",
    "Peace {emoji}",
)
SLOTS = {
    "tag": ("[Request]", "[REQUEST]", "[request]", "(Request)"),
    "place": (
        *("Tulsa", "Dayton", "Spokane", "Fresno", "Toledo", "Boise", "Akron", "Mobile", "Reno"),
        *("Duluth", "El Paso", "Madison", "Richmond", "Omaha", "Tacoma", "Albany", "Savannah"),
        *("San José", "Montréal", "Québec", "Halifax", "Winnipeg", "Leeds", "Cardiff", "Zürich"),
        *("Malmö", "Kraków", "Köln", "São Paulo", "Reykjavík", "Besançon", "Łódź", "Perth"),
    ),
    "pizza": ("pizza", "pizza", "pizza", "pie", "pizza pie"),
    "size": ("small", "medium", "large"),
    "topping": (
        *("pepperoni", "mushrooms", "jalapeños", "ham and pineapple", "olives", "extra cheese"),
        *("sausage", "spinach", "green peppers", "anchovies"),
    ),
    "shop": ("pizzeria", "corner place", "chain store", "Italian place", "little shop"),
    "distance": ("around the corner", "down the road", "two blocks away", "across the street"),
    "hungry": ("Hungry", "Starving", "Very hungry", "Peckish"),
    "weather": ("cold", "rainy", "snowy", "hot", "windy", "foggy", "stormy"),
    "day": ("day", "evening", "weekend", "night", "afternoon"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "month": ("January", "March", "April", "June", "August", "October", "November"),
    "season": ("winter", "spring", "summer", "autumn"),
    "hour": ("nine", "ten", "eleven", "midnight", "noon"),
    "count": ("three", "four", "five", "six"),
    "number": ("thirty", "forty", "sixty", "a hundred"),
    "small_number": ("two", "3.50", "seven", "eleven"),
    "ordinal": ("first", "second", "third", "last"),
    "relative": ("wife", "husband", "son", "daughter", "mom", "dad", "brother", "little sister"),
    "simple_food": ("rice", "ramen", "plain pasta", "oatmeal", "canned beans", "toast", "crackers"),
    "workplace": ("warehouse", "restaurant", "call center", "store", "factory", "hotel", "bakery"),
    "bill": ("electric", "gas", "water", "phone", "dentist", "heating"),
    "subject": ("chemistry", "calculus", "history", "biology", "physics", "accounting"),
    "thing": ("bike", "guitar", "laptop", "old camera", "bookshelf", "sofa"),
    "hobby": ("chess", "knitting", "hockey", "board games", "gardening", "woodworking"),
    "pet": ("cat", "dog", "parrot", "goldfish"),
    "emoji": ("🍕", "🙏", "😊", ":)", "❤️", "¯\\_(ツ)_/¯"),
    "code": ("{glyph}{glyph}{glyph}{glyph}{glyph}",),
    "glyph": tuple("abcdefghjkmnpqrstuvwxyz23456789"),
}
SETTLED = ("place", "relative", "workplace", "subject", "shop", "pet", "hobby", "emoji")


def chance(generator: random.Random, rate: float) -> bool:
    """Return True with probability `rate`."""
    return generator.random() < rate


def choose(generator: random.Random, options: Sequence[Item]) -> Item:
    """Return one of `options`; `random()` alone is promised never to change between Pythons."""
    return options[int(generator.random() * len(options))]


def choose_several(generator: random.Random, options: Sequence[str], count: int) -> list[str]:
    """Return `count` different items of `options`, in the order drawn."""
    left = list(options)
    return [left.pop(int(generator.random() * len(left))) for _ in range(count)]


def fill(generator: random.Random, template: str, slots: dict[str, Sequence[str]]) -> str:
    """Replace every `{slot}` of a template by one of its words, which may hold slots too."""
    return re.sub(
        r"\{(\w+)\}",
        lambda match: fill(generator, choose(generator, slots[match[1]]), slots),
        template,
    )


def draw_slots(generator: random.Random) -> dict[str, Sequence[str]]:
    """Return SLOTS with the things that stay the same all through one request settled."""
    return SLOTS | {name: (choose(generator, SLOTS[name]),) for name in SETTLED}


def by_deciles(generator: random.Random, edges: Sequence[int]) -> tuple[int, int]:
    """Draw a whole number and its decile, 0 to 9, from a distribution given by its deciles."""
    decile = int(generator.random() * 10)
    low, high = edges[decile], edges[decile + 1]
    part = generator.random()
    # The square leans to the low end of each decile, which gives the long tail its shape; it is
    # written as a product because a C library's power function may round differently.
    return low + int((high - low) * part * part), decile


def draw_switches(generator: random.Random, care: float, empty: bool) -> dict[str, bool]:
    """Draw what a request tells and how; an empty one tells nothing."""
    weights = dict.fromkeys(CAREFUL, 3 * care * care)
    weights["craving"] = 3 * (1 - care) * (1 - care)
    # A rate above 1 counts as 1, so the overall rates are a little below RATES.
    return {
        name: chance(generator, rate * weights.get(name, 1)) and not empty
        for name, rate in RATES.items()
    }


def draw_title(
    generator: random.Random, switches: dict[str, bool], slots: dict[str, Sequence[str]]
) -> str:
    """Compose a title, which mostly hints at what the text will say."""
    told = [name for name in NARRATIVES if switches[name]]
    hint = told and chance(generator, 0.9)
    titles = STORY_TITLES[choose(generator, told)] if hint else PLAIN_TITLES
    title = fill(generator, choose(generator, titles), slots)
    for name, ending in TITLE_ENDINGS.items():
        if switches[name] and chance(generator, TITLE_ENDING_RATE):
            title += ending
    return title


def draw_middle(generator: random.Random, switches: dict[str, bool], care: float) -> list[str]:
    """Draw the templates that tell the stories, in a random order with the small talk."""
    middle = [
        template
        for name in NARRATIVES
        if switches[name]
        for template in choose_several(generator, STORIES[name], 1 + chance(generator, 0.6))
    ]
    middle += choose_several(generator, FILLERS, int(generator.random() * (1 + 3 * care)))
    middle += [choose(generator, CUES[n]) for n in ("positive", "negative") if switches[n]]
    return choose_several(generator, middle, len(middle))


def draw_templates(generator: random.Random, switches: dict[str, bool], care: float) -> list[str]:
    """Draw the sentences of a body, as templates: one or more for each switch that is on."""
    templates = [choose(generator, GREETINGS)] if chance(generator, 0.4) else []
    templates += draw_middle(generator, switches, care)
    templates.append(choose(generator, ASKS))
    for name in ("reciprocity", "image", "gratitude"):
        if switches[name]:
            templates.append(choose(generator, CUES[name]))
    if chance(generator, 0.15):
        templates.append(choose(generator, SIGN_OFFS))
    return templates


def draw_body(
    generator: random.Random, templates: list[str], slots: dict[str, Sequence[str]]
) -> str:
    """Compose the text of a request, on one line or several."""
    first, *rest = templates
    separators = choose(generator, SEPARATORS)
    text = fill(generator, first, slots)
    for template in rest:
        text += choose(generator, separators) + fill(generator, template, slots)
    return text.lower() if chance(generator, LOWER_CASE_RATE) else text


def draw_timestamp(generator: random.Random) -> int:
    """Draw the time of a request, in seconds since 1970 (UTC)."""
    day = int(generator.random() * DAYS)
    hour = choose(generator, HOURS)
    return START + day * 86400 + hour * 3600 + int(generator.random() * 3600)


def draw_words(generator: random.Random) -> tuple[str, str, dict[str, bool]]:
    """Draw a title, a text (a few are empty) and the switches that were on for them."""
    # One writer takes more care than another, so that thanks, promises, reasons and length go
    # together.
    care = generator.random()
    empty = chance(generator, EMPTY_BODY_RATE)
    switches = draw_switches(generator, care, empty)
    slots = draw_slots(generator)
    title = draw_title(generator, switches, slots)
    text = "" if empty else draw_body(generator, draw_templates(generator, switches, care), slots)
    return title, text, switches


def draw_request(generator: random.Random) -> tuple[dict, dict[str, float]]:
    """Draw one request without its outcome, and the features that decide the outcome."""
    timestamp = draw_timestamp(generator)
    title, text, switches = draw_words(generator)
    age, _ = by_deciles(generator, ACCOUNT_AGE_EDGES)
    karma, karma_decile = by_deciles(generator, KARMA_EDGES)
    comments, _ = by_deciles(generator, COMMENT_EDGES)
    posted_before = chance(generator, POSTED_BEFORE_RATE)
    request = {
        "request_timestamp": timestamp,
        "request_title": title,
        "request_text": text,
        "account_age_days": None if chance(generator, MISSING_AGE_RATE) else age,
        "karma": karma,
        "comments": comments,
        "raop_posts": choose(generator, POSTS_BEFORE) if posted_before else 0,
        "device": choose(generator, DEVICES),
    }
    return request, switches | {
        "community_age_decile": (timestamp - START) * 10 // (DAYS * 86400),
        "first_half_of_month": datetime.fromtimestamp(timestamp, UTC).day <= 15,
        "hundred_words": len(text.split()) / 100,
        "karma_decile": karma_decile,
        "posted_before": posted_before,
    }


def true_probability(features: dict[str, float]) -> float:
    """Return the probability of a pizza under the model stated at the top of this file."""
    score = INTERCEPT + sum(COEFFICIENTS[name] * features[name] for name in COEFFICIENTS)
    # Rounding hides the last digit of exp, which may differ from one C library to another.
    return round(1 / (1 + math.exp(-score)), 6)


def simulate(seed: int = SEED, rows: int = ROWS) -> Iterator[tuple[dict, float]]:
    """Yield `rows` pairs of a row of the sample and its true probability of a pizza."""
    generator = random.Random(seed)
    for number in range(1, rows + 1):
        request, features = draw_request(generator)
        probability = true_probability(features)
        received = chance(generator, probability)
        yield {"request_id": f"p{number:04}", **request, "received_pizza": received}, probability


def pointer(content: bytes, name: str) -> str:
    """The .dvc file by which a project tracks `content` as the file `name`."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return f"outs:\n- md5: {md5}\n  size: {len(content)}\n  hash: md5\n  path: {name}\n"


def main() -> None:
    """Write the sample and its .dvc file to the path given, or the sample to standard output."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row, _ in simulate())
    content = "".join(lines).encode("utf-8")
    if len(sys.argv) == 1:
        sys.stdout.buffer.write(content)
        return
    path = Path(sys.argv[1])
    path.write_bytes(content)
    tracked = path.with_name(f"{path.name}.dvc")
    tracked.write_text(pointer(content, path.name), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
