"""What a drawn picture can show: glyphs of things, and plain shapes in colours. Pure data, in a fixed order."""

from dataclasses import dataclass
from typing import Final, NewType

ConceptId = NewType("ConceptId", str)
"""The first of a concept's words, for instance "red apple": unique, and stable as long as the table is."""


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that can be drawn and asked for.

    `words` are what a person would type, the first is the name; no two concepts share a word. A glyph concept has its
    emoji in `glyph`; a shape concept has an empty `glyph` and names its `shape` and `colour` instead.
    """

    words: tuple[str, ...]
    category: str
    glyph: str = ""
    shape: str = ""
    colour: str = ""

    @property
    def id(self) -> ConceptId:
        """The name as an identity."""
        return ConceptId(self.words[0])


# Each entry is one emoji and its words. "|" separates entries. Near-duplicates (clock faces, skin tones, flags, a
# second cat) are left out: a person could not say which of the two a picture shows.
_TABLE: Final = {
    "animal": """
🐵 monkey | 🦍 gorilla | 🐶 dog, puppy | 🐺 wolf | 🦊 fox | 🦝 raccoon | 🐱 cat, kitten | 🦁 lion | 🐯 tiger | 🐴 horse
🦄 unicorn | 🦓 zebra | 🦌 deer | 🐮 cow | 🐷 pig | 🐏 ram | 🐑 sheep | 🐪 camel | 🦙 llama | 🦒 giraffe | 🐘 elephant
🦏 rhinoceros, rhino | 🦛 hippopotamus, hippo | 🐭 mouse | 🐹 hamster | 🐰 rabbit, bunny | 🐿 squirrel, chipmunk
🦔 hedgehog | 🦇 bat | 🐻 bear | 🐨 koala | 🐼 panda | 🦥 sloth | 🦘 kangaroo | 🦃 turkey | 🐔 chicken, hen
🐤 chick, baby chick | 🐧 penguin | 🦅 eagle | 🦆 duck | 🦢 swan | 🦉 owl | 🦩 flamingo | 🦚 peacock | 🦜 parrot
🐸 frog | 🐊 crocodile | 🐢 turtle | 🦎 lizard | 🐍 snake | 🐉 dragon | 🦕 brontosaurus | 🦖 tyrannosaurus, t-rex
🐳 whale | 🐬 dolphin | 🐟 fish | 🐠 tropical fish | 🐡 pufferfish, blowfish | 🦈 shark | 🐙 octopus | 🐚 seashell
🦀 crab | 🦞 lobster | 🦑 squid | 🐌 snail | 🦋 butterfly | 🐛 caterpillar | 🐜 ant | 🐝 bee, honeybee
🐞 ladybug | 🕷 spider | 🦂 scorpion
""",
    "food": """
🍇 grapes | 🍉 watermelon | 🍊 tangerine, orange fruit | 🍋 lemon | 🍌 banana | 🍍 pineapple | 🍎 red apple
🍏 green apple | 🍐 pear | 🍑 peach | 🍒 cherries | 🍓 strawberry | 🥝 kiwi | 🍅 tomato | 🥥 coconut | 🥑 avocado
🍆 eggplant, aubergine | 🥔 potato | 🥕 carrot | 🌽 corn | 🌶 chili pepper, hot pepper | 🥒 cucumber | 🥦 broccoli
🧅 onion | 🍄 mushroom | 🥜 peanuts | 🍞 bread | 🥐 croissant | 🥨 pretzel | 🥞 pancakes | 🧀 cheese
🍗 chicken leg, drumstick | 🥓 bacon | 🍔 hamburger, burger | 🍟 french fries, fries | 🍕 pizza | 🌭 hot dog
🥪 sandwich | 🌮 taco | 🌯 burrito | 🍳 fried egg | 🥗 salad | 🍿 popcorn | 🍱 bento box | 🍙 rice ball
🍜 noodles, ramen | 🍝 spaghetti, pasta | 🍣 sushi | 🍦 ice cream | 🍩 doughnut, donut | 🍪 cookie
🎂 birthday cake | 🧁 cupcake | 🥧 pie | 🍫 chocolate bar, chocolate | 🍬 candy | 🍭 lollipop | 🍯 honey, honey pot
🥛 glass of milk, milk | ☕ coffee | 🍾 champagne | 🍷 wine, glass of wine | 🍸 cocktail | 🍹 tropical drink
🍺 beer
""",
    "vehicle": """
🚂 steam locomotive, steam train | 🚄 bullet train | 🚌 bus | 🚑 ambulance | 🚒 fire engine, fire truck
🚓 police car | 🚕 taxi | 🚗 red car | 🚚 delivery truck, truck | 🚜 tractor | 🏎 racing car, race car
🏍 motorcycle | 🛵 scooter | 🚲 bicycle, bike | 🛹 skateboard | 🚀 rocket | 🛸 flying saucer, ufo | 🚁 helicopter
✈ airplane, plane | ⛵ sailboat | 🚤 speedboat | 🛳 cruise ship, ship | 🛶 canoe | 🛰 satellite
""",
    "place": """
🏰 castle | 🏠 house | 🏥 hospital | 🏭 factory | ⛪ church | 🕌 mosque | 🗼 tower | 🗽 statue of liberty
⛩ shrine gate, torii | ⛲ fountain | ⛺ tent | 🎡 ferris wheel | 🎢 roller coaster | 🎪 circus tent
🌋 volcano | 🗻 snowy mountain, mount fuji | 🏝 desert island, island | 🗿 stone head, moai | 🏟 stadium
""",
    "weather": """
☀ sun | 🌈 rainbow | ☁ cloud | ❄ snowflake | ⛄ snowman | 🌪 tornado | ⚡ lightning | 🔥 fire, flame
💧 water drop, droplet | 🌊 wave | 🌙 crescent moon | 🌍 earth, globe | 🪐 saturn, ringed planet | ☂ umbrella
""",
    "plant": """
🌵 cactus | 🌲 pine tree | 🌴 palm tree | 🌻 sunflower | 🌹 rose | 🌷 tulip | 🌸 cherry blossom | 🌺 hibiscus
🍀 four leaf clover, clover | 🍁 maple leaf | 💐 bouquet | 🎄 christmas tree | 🎃 jack o lantern, pumpkin
""",
    "face": """
😂 laughing face | 😍 heart eyes | 😎 face with sunglasses | 😡 angry face | 😭 crying face | 😱 screaming face
🤢 sick face | 🤠 cowboy | 🤡 clown | 👻 ghost | 💀 skull | 👽 alien | 🤖 robot | 👾 space invader | 💩 poop
😈 devil | 👹 ogre | 🎅 santa, santa claus | 👶 baby | 🧟 zombie | 🥷 ninja | 👀 eyes | 👄 lips
👍 thumbs up | 💪 muscle | 🧠 brain | 🦴 bone
""",
    "sport": """
⚽ soccer ball | 🏀 basketball | 🏈 american football | ⚾ baseball | 🎾 tennis ball, tennis | 🎳 bowling
🏓 ping pong, table tennis | 🥊 boxing glove | ⛳ golf | ⛸ ice skate | 🎣 fishing pole | 🎯 dartboard, bullseye
🎱 eight ball | 🎮 game controller | 🎲 dice | 🧩 puzzle piece | 🧸 teddy bear | 🏆 trophy | 🥇 gold medal
🪁 kite
""",
    "object": """
👓 glasses, eyeglasses | 👕 t-shirt | 👖 jeans | 🧦 socks | 👗 dress | 👘 kimono | 👜 handbag | 🎒 backpack
👟 sneaker, running shoe | 👠 high heel | 👑 crown | 🎩 top hat | 🎓 graduation cap | 💄 lipstick
💍 diamond ring | 💎 gem, jewel | 🔔 bell | 🎤 microphone | 🎧 headphones | 📻 radio | 🎷 saxophone | 🎸 guitar
🎹 piano | 🎺 trumpet | 🎻 violin | 🥁 drum | 📱 phone, smartphone | ☎ telephone | 🔋 battery | 💻 laptop
🖨 printer | 💾 floppy disk | 🎥 movie camera | 📷 camera | 📺 television, tv | 🔍 magnifying glass | 🕯 candle
💡 light bulb | 🏮 lantern | 📚 books | 📰 newspaper | 💰 money bag | 💳 credit card | ✉ envelope
📦 package, cardboard box | 📫 mailbox | ✏ pencil | 🖌 paintbrush | 🎨 palette | 📌 pushpin | 📎 paperclip
✂ scissors | 🔒 padlock, lock | 🔑 key | 🔨 hammer | 🪓 axe | ⚔ swords | 🏹 bow and arrow | 🛡 shield
🔧 wrench | ⚙ gear | 🧲 magnet | 🧪 test tube | 🔬 microscope | 🔭 telescope | 💉 syringe | 💊 pill | 🚪 door
🛏 bed | 🛋 couch, sofa | 🚽 toilet | 🛁 bathtub | 🪑 chair | 🧯 fire extinguisher | 🛒 shopping cart | 🔮 crystal ball
⏰ alarm clock | ⌛ hourglass | ⌚ watch, wristwatch | 🗺 world map, map | 🎁 gift, present | 🎈 balloon
🎉 party popper, confetti | 💣 bomb | ❤ heart | 💔 broken heart | 💥 explosion | 🎵 music note | 🧹 broom
🚦 traffic light | ⚓ anchor
""",
}

SHAPES: Final = ("circle", "square", "triangle", "star", "cross", "ring", "arrow")
COLOURS: Final = {
    "red": (220, 38, 38),
    "yellow": (250, 210, 30),
    "green": (34, 160, 70),
    "blue": (37, 90, 225),
    "purple": (140, 50, 190),
    "white": (250, 250, 250),
}
"""Colour names of the shapes and their sRGB values."""


def _glyph_concepts() -> tuple[Concept, ...]:
    concepts = []
    for category, table in _TABLE.items():
        for entry in table.replace("\n", "|").split("|"):
            if entry.strip():
                glyph, _, words = entry.strip().partition(" ")
                concepts.append(Concept(tuple(word.strip() for word in words.split(",")), category, glyph=glyph))
    return tuple(concepts)


def _shape_concepts() -> tuple[Concept, ...]:
    return tuple(
        Concept((f"{colour} {shape}",), "shape", shape=shape, colour=colour) for shape in SHAPES for colour in COLOURS
    )


GLYPHS: Final = _glyph_concepts()
"""The concepts drawn from the atlas; a concept's place here is its cell there."""
CONCEPTS: Final = GLYPHS + _shape_concepts()
BY_ID: Final = {concept.id: concept for concept in CONCEPTS}
