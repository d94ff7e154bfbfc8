"""Art to sprites: which drawings stand for which noun, and their pixels.

Drawings are icons (bodies kept in art.json beside this file, taken from npm packages under MIT and
Apache-2.0) and our own paintings (paintings.py). Knows nothing about scenes or captions beyond the nouns.

    python -m assets.build.art --npm FOLDER     takes the icon bodies anew from the packed npm packages
    python -m assets.build.art --sheet OUT.png  draws every drawing with its noun
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

ART = Path(__file__).parent / "art.json"
PACKAGES = {"flat": "@iconify-json/fluent-emoji-flat", "noto": "@iconify-json/noto"}
VIEW = {"flat": 32, "noto": 128}

COLORS = {
    "red": (2, 0.95, 0.88),
    "orange": (14, 0.92, 0.97),
    "yellow": (25, 0.86, 0.98),
    "green": (66, 0.72, 0.66),
    "blue": (106, 0.78, 0.86),
    "purple": (137, 0.62, 0.74),
    "pink": (168, 0.52, 0.97),
}
"""Colour word → (hue 0..180, saturation, value) a dyed part takes on."""


@dataclass(frozen=True)
class Noun:
    """One thing that scenes can show.

    place: how it stands: ground, building, plant, item, boat, swim (on water), sea (under water), fly, hang,
    sky, span (over water), indoor. drawings: keys into the art; "flat:name@x,y,w,h" crops the view box.
    common: what videos show most, to be learnt best. dyeable: those drawings whose main colour may change.
    scale: size against others of its place.
    """

    name: str
    place: str
    drawings: tuple[str, ...]
    common: bool = False
    dyeable: tuple[str, ...] = ()
    scale: float = 1.0
    plural: str = ""

    @property
    def many(self) -> str:
        """The plural."""
        return self.plural or f"{self.name}s"


def _table(place: str, text: str) -> list[Noun]:
    """Rows `noun [| plural] : drawing; drawing [: flags]`.

    Flags: s seen often, d can be dyed (but not the drawings that end in "!"), a number = scale.
    """
    nouns = []
    for row in filter(None, (line.strip() for line in text.splitlines())):
        head, art, *flags = (part.strip() for part in row.split(" : "))
        name, _, plural = (part.strip() for part in head.partition("|"))
        words = flags[0].split() if flags else []
        scale = next((float(w) for w in words if w[0].isdigit()), 1.0)
        marked = [a.strip() for a in art.split(";")]
        drawings = tuple(a.rstrip("!") for a in marked)
        dyeable = tuple(a for a in marked if "d" in words and not a.endswith("!"))
        nouns.append(Noun(name, place, drawings, "s" in words, dyeable, scale, plural))
    return nouns


NOUNS: tuple[Noun, ...] = tuple(
    _table(
        "ground",
        """
        cat : flat:cat; noto:cat; flat:black-cat; noto:black-cat : s
        dog : flat:dog; noto:dog; noto:guide-dog : s
        fox | foxes : fox flat; fox noto : s
        wolf | wolves : wolf flat; wolf noto
        bear : bear flat; bear noto
        polar bear : polar-bear flat; polar-bear noto
        panda : panda flat; panda noto : s
        koala : koala flat; koala noto
        lion : lion flat; lion noto
        raccoon : noto:raccoon; raccoon flat
        hamster : hamster flat; hamster noto
        frog : frog flat; frog noto : 0.9
        tiger : flat:tiger; noto:tiger : s
        rabbit : flat:rabbit; noto:rabbit : s
        squirrel : flat:chipmunk; noto:chipmunk
        hedgehog : flat:hedgehog; noto:hedgehog
        mouse | mice : flat:mouse; noto:mouse : 0.8
        kangaroo : flat:kangaroo; noto:kangaroo
        monkey : flat:monkey; noto:monkey
        elephant : flat:elephant; noto:elephant : s 1.15
        rhinoceros | rhinoceroses : flat:rhinoceros; noto:rhinoceros
        hippopotamus | hippopotamuses : flat:hippopotamus; noto:hippopotamus
        giraffe : flat:giraffe; noto:giraffe : 1.2
        zebra : flat:zebra; noto:zebra
        deer | deer : flat:deer; noto:deer : s
        camel : flat:camel; noto:camel
        llama : flat:llama; noto:llama
        horse : flat:horse; noto:horse : s
        donkey : flat:donkey
        cow : flat:cow; noto:cow : s
        ox | oxen : flat:ox; noto:ox; flat:water-buffalo; noto:water-buffalo : s
        pig : flat:pig; noto:pig : s
        goat : flat:goat; noto:goat
        sheep | sheep : flat:ewe; noto:ewe
        dragon : flat:dragon; noto:dragon
        dinosaur : flat:t-rex; noto:t-rex; flat:sauropod; noto:sauropod
        goose | geese : flat:goose; noto:goose
        owl : flat:owl; noto:owl : s
        peacock : flat:peacock; noto:peacock
        flamingo | flamingos : flat:flamingo; noto:flamingo
        crane : crane : s
        penguin : flat:penguin; noto:penguin
        rooster : flat:rooster; noto:rooster : s
        chick : flat:front-facing-baby-chick; noto:front-facing-baby-chick; flat:baby-chick : 0.85
        crocodile : noto:crocodile
        snake : flat:snake; noto:snake
        snail : flat:snail; noto:snail : 0.85
        caterpillar : flat:bug; noto:bug : 0.85
        snowman | snowmen : flat:snowman-without-snow; noto:snowman-without-snow : s
        woman | women : woman; woman2; woman3 : s
        man | men : man; man2 : s
        boy : boy; boy2 : s
        girl : girl; girl2 : s
        old man | old men : old man; old man2 : s
        old woman | old women : old woman; old woman2 : s
        fisherman | fishermen : fisherman; fisherman2 : s
        farmer : farmer; farmer2 : s
        woman with an umbrella | women with umbrellas : under red; under blue; under yellow : s 1.1
        dancer : noto:woman-dancing; flat:woman-dancing
        cyclist : noto:man-biking; noto:woman-biking; flat:man-biking
        skier : noto:skier; flat:skier
        robot : noto:robot; flat:robot
        car : flat:automobile; noto:automobile : s d
        taxi : flat:taxi; noto:taxi : s
        truck : flat:delivery-truck; noto:delivery-truck; flat:pickup-truck; noto:pickup-truck : d
        tractor : flat:tractor; noto:tractor
        bus | buses : flat:bus!; noto:bus : s d
        ambulance : flat:ambulance; noto:ambulance
        fire engine : flat:fire-engine; noto:fire-engine
        train : flat:locomotive; noto:locomotive
        bicycle : flat:bicycle!; noto:bicycle : s d
        motorcycle : flat:motorcycle; noto:motorcycle : d
        scooter : flat:motor-scooter; noto:motor-scooter : d
        tent : flat:tent@0,4,32,26; noto:tent : d
        lamp post : lamp post : s
        bench | benches : bench
        fountain : flat:fountain; noto:fountain
        market stall : stall : s
        beach umbrella : flat:beach-with-umbrella; noto:beach-with-umbrella
        """,
    )
    + _table(
        "building",
        """
        house : flat:house; noto:house; town house; cottage; cottage2 : s
        hut : flat:hut; noto:hut
        castle : flat:castle; noto:castle : s
        church | churches : flat:church; noto:church
        school : flat:school; noto:school
        temple : temple; temple2; flat:japanese-castle : s
        pagoda : pagoda; pagoda2 : s
        gate : gate; flat:shinto-shrine; noto:shinto-shrine
        mosque : flat:mosque; noto:mosque
        lighthouse : noto:lighthouse : s
        windmill : windmill
        tower : flat:tokyo-tower; noto:tokyo-tower
        office building : flat:office-building; noto:office-building
        circus tent : flat:circus-tent; noto:circus-tent
        ferris wheel : flat:ferris-wheel; noto:ferris-wheel
        mountain : peaks; peaks2 : s
        volcano | volcanoes : flat:volcano; noto:volcano
        """,
    )
    + _table(
        "plant",
        """
        tree : flat:deciduous-tree; noto:deciduous-tree : s 1.1
        pine tree : flat:evergreen-tree; noto:evergreen-tree : s 1.1
        willow : willow : s 1.15
        plum tree : plum : s 1.1
        bamboo | bamboo : bamboo : s 1.1
        palm tree : flat:palm-tree; noto:palm-tree : 1.1
        christmas tree : flat:christmas-tree; noto:christmas-tree
        cactus | cacti : flat:cactus; noto:cactus
        mushroom : flat:mushroom; noto:mushroom
        tulip : flat:tulip; noto:tulip : d
        rose : flat:rose; noto:rose : s d
        sunflower : flat:sunflower; noto:sunflower : s
        """,
    )
    + _table(
        "item",
        """
        flower : flat:cherry-blossom; noto:cherry-blossom; flat:hibiscus; noto:hibiscus; noto:blossom : s d
        lotus | lotuses : noto:lotus : s
        potted plant : flat:potted-plant; noto:potted-plant : s
        bouquet : flat:bouquet; noto:bouquet
        maple leaf | maple leaves : flat:maple-leaf; noto:maple-leaf
        apple : flat:red-apple; noto:red-apple; flat:green-apple; noto:green-apple : s
        pear : flat:pear; noto:pear
        peach | peaches : flat:peach; noto:peach
        lemon : flat:lemon; noto:lemon
        orange : flat:tangerine; noto:tangerine
        banana : flat:banana; noto:banana
        watermelon : flat:watermelon; noto:watermelon
        bunch of grapes | bunches of grapes : flat:grapes; noto:grapes
        strawberry | strawberries : flat:strawberry; noto:strawberry
        cherry | cherries : flat:cherries; noto:cherries
        pineapple : flat:pineapple; noto:pineapple
        avocado | avocados : flat:avocado; noto:avocado
        tomato | tomatoes : flat:tomato; noto:tomato
        eggplant : flat:eggplant; noto:eggplant
        carrot : flat:carrot; noto:carrot
        loaf of bread | loaves of bread : flat:bread; noto:bread : s
        croissant : flat:croissant; noto:croissant
        pretzel : flat:pretzel; noto:pretzel
        plate of pancakes | plates of pancakes : flat:pancakes; noto:pancakes
        cheese | pieces of cheese : flat:cheese-wedge; noto:cheese-wedge
        egg : flat:egg; noto:egg
        hamburger : flat:hamburger; noto:hamburger
        pizza | pizzas : flat:pizza; noto:pizza
        sandwich | sandwiches : flat:sandwich; noto:sandwich
        bowl of rice | bowls of rice : flat:cooked-rice; noto:cooked-rice : s
        bowl of noodles | bowls of noodles : flat:steaming-bowl; noto:steaming-bowl : s
        dumpling : flat:dumpling; noto:dumpling : s
        basket of steamed buns | baskets of steamed buns : steamer : s
        ice cream | ice creams : flat:soft-ice-cream; noto:soft-ice-cream : s
        doughnut : flat:doughnut; noto:doughnut
        cookie : flat:cookie; noto:cookie
        birthday cake : flat:birthday-cake; noto:birthday-cake : s
        slice of cake | slices of cake : flat:shortcake; noto:shortcake
        cupcake : flat:cupcake; noto:cupcake
        pie : flat:pie; noto:pie
        bar of chocolate | bars of chocolate : flat:chocolate-bar; noto:chocolate-bar
        lollipop : flat:lollipop; noto:lollipop
        cup of tea | cups of tea : tea cup; tea cup2; noto:teacup-without-handle : s
        cup of coffee | cups of coffee : noto:hot-beverage; flat:hot-beverage : s
        teapot : flat:teapot; noto:teapot : s d
        glass of wine | glasses of wine : flat:wine-glass; noto:wine-glass
        cocktail : flat:tropical-drink; noto:tropical-drink
        pair of headphones | pairs of headphones : flat:headphone; noto:headphone : s
        microphone : flat:studio-microphone; noto:studio-microphone
        guitar : flat:guitar; noto:guitar
        violin : flat:violin; noto:violin
        trumpet : flat:trumpet; noto:trumpet
        drum : flat:drum; noto:drum
        camera : flat:camera; noto:camera : s
        television : flat:television; noto:television
        laptop : flat:laptop; noto:laptop
        phone : flat:mobile-phone; noto:mobile-phone : s
        watch | watches : flat:watch; noto:watch : s
        clock : flat:alarm-clock; noto:alarm-clock; flat:mantelpiece-clock; noto:mantelpiece-clock : s
        hourglass | hourglasses : flat:hourglass-done; noto:hourglass-done
        candle : flat:candle; noto:candle : s
        light bulb : flat:light-bulb; noto:light-bulb
        mirror : flat:mirror; noto:mirror
        lipstick : flat:lipstick; noto:lipstick : s d
        bottle of lotion | bottles of lotion : flat:lotion-bottle; noto:lotion-bottle : d
        bottle of perfume | bottles of perfume : perfume : s d
        soap | bars of soap : flat:soap; noto:soap
        handbag : flat:handbag; noto:handbag : s d
        backpack : flat:backpack; noto:backpack : s d
        suitcase : flat:luggage; noto:luggage : d
        gift : flat:wrapped-gift; noto:wrapped-gift : s
        box | boxes : flat:package; noto:package
        basket : flat:basket; noto:basket : s
        crown : flat:crown; noto:crown
        gem : flat:gem-stone; noto:gem-stone
        pair of glasses | pairs of glasses : flat:glasses; noto:glasses
        pair of sunglasses | pairs of sunglasses : flat:sunglasses; noto:sunglasses
        top hat : flat:top-hat; noto:top-hat
        cap : flat:billed-cap; noto:billed-cap : d
        straw hat : flat:womans-hat; noto:womans-hat
        shirt : flat:t-shirt; noto:t-shirt : d
        dress | dresses : flat:dress; noto:dress : s d
        pair of jeans | pairs of jeans : flat:jeans; noto:jeans
        scarf | scarves : flat:scarf; noto:scarf : d
        sneaker : flat:running-shoe!; noto:running-shoe : s d
        umbrella : flat:umbrella; noto:umbrella : s d
        book : flat:closed-book; noto:closed-book : s d
        open book : flat:open-book; noto:open-book
        pencil : flat:pencil; noto:pencil
        pair of scissors | pairs of scissors : flat:scissors; noto:scissors
        key : flat:key; noto:key; flat:old-key; noto:old-key
        bucket : flat:bucket; noto:bucket
        telescope : flat:telescope; noto:telescope
        globe : flat:globe-showing-asia-australia; noto:globe-showing-asia-australia
        football : flat:soccer-ball; noto:soccer-ball
        basketball : flat:basketball; noto:basketball
        fishing rod : flat:fishing-pole; noto:fishing-pole : s
        trophy | trophies : flat:trophy; noto:trophy
        game controller : flat:video-game; noto:video-game
        folding fan : flat:folding-hand-fan; noto:folding-hand-fan
        bell : flat:bell; noto:bell
        pumpkin : flat:jack-o-lantern; noto:jack-o-lantern
        teddy bear : flat:teddy-bear; noto:teddy-bear
        vase of flowers | vases of flowers : vase : s
        seashell : flat:spiral-shell; noto:spiral-shell
        """,
    )
    + _table(
        "indoor",
        """
        chair : flat:chair; noto:chair : s
        sofa : flat:couch-and-lamp; noto:couch-and-lamp
        bed : flat:bed; noto:bed
        """,
    )
    + _table(
        "boat",
        """
        boat : rowboat; rowboat2; sampan; noto:canoe : s
        sailboat : sailboat; sailboat2; noto:sailboat; flat:sailboat@0,0,32,25 : s
        fishing boat : junk : s
        speedboat : noto:speedboat
        ship : noto:ship; noto:passenger-ship; noto:ferry : s
        """,
    )
    + _table(
        "swim",
        """
        duck : flat:duck@0,0,32,25; noto:duck@0,0,128,97 : s
        swan : flat:swan; noto:swan : s
        """,
    )
    + _table(
        "sea",
        """
        fish | fish : flat:fish; noto:fish; flat:tropical-fish; noto:tropical-fish : s d
        shark : flat:shark; noto:shark
        dolphin : flat:dolphin; noto:dolphin
        whale : flat:whale; noto:whale : s
        octopus | octopuses : flat:octopus; noto:octopus
        crab : flat:crab; noto:crab
        jellyfish | jellyfish : flat:jellyfish; noto:jellyfish
        turtle : flat:turtle; noto:turtle
        seal : flat:seal; noto:seal
        """,
    )
    + _table(
        "fly",
        """
        bird : flat:bird; noto:bird; flat:blackbird : s d
        eagle : noto:eagle
        dove : flat:dove; noto:dove
        bat : flat:bat; noto:bat
        butterfly | butterflies : flat:butterfly; noto:butterfly; noto:monarch-butterfly : s d
        bee : flat:honeybee; noto:honeybee
        kite : flat:kite; noto:kite : s
        balloon : flat:balloon; noto:balloon : s d
        airplane : flat:airplane; noto:airplane : s
        helicopter : flat:helicopter; noto:helicopter
        rocket : flat:rocket; noto:rocket : s
        flying saucer : flat:flying-saucer; noto:flying-saucer
        """,
    )
    + _table(
        "sky",
        """
        moon : flat:full-moon; noto:full-moon; flat:crescent-moon; noto:crescent-moon : s
        sun : flat:sun; noto:sun : s
        rainbow : flat:rainbow; noto:rainbow
        planet : flat:ringed-planet; noto:ringed-planet
        """,
    )
    + _table("hang", "lantern : flat:red-paper-lantern; noto:red-paper-lantern : s d")
    + _table("span", "bridge : bridge; bridge wood : s")
)


COMMON = frozenset(noun.name for noun in NOUNS if noun.common)


@lru_cache(maxsize=1)
def _bodies() -> dict[str, str]:
    return json.loads(ART.read_text(encoding="utf-8"))["icons"]


def _icon_in_100(key: str) -> str:
    """An icon's elements scaled to a 100 × 100 box."""
    return f'<g transform="scale({100 / VIEW[key.split(":")[0]]})">{_bodies()[key]}</g>'


@lru_cache(maxsize=1)
def _paintings() -> dict[str, str]:
    from assets.build import paintings

    return paintings.drawings(_icon_in_100)


def svg(drawing: str) -> str:
    """A drawing's whole SVG document, with room around for what overhangs its box."""
    key, _, crop = drawing.partition("@")
    if key in _paintings():
        body, box = _paintings()[key], "-12 -12 124 124"
    else:
        side = VIEW[key.split(":")[0]]
        body, box = _bodies()[key], crop.replace(",", " ") or f"0 0 {side} {side}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{body}</svg>'


@lru_cache(maxsize=2048)
def sprite(drawing: str, px: int = 256) -> np.ndarray:
    """A drawing's pixels, cropped to what is painted: uint8 [h, w, 4], straight alpha, longest side ≤ px."""
    import cv2
    import resvg_py

    document = svg(drawing)
    _, _, w, h = (float(v) for v in document.split('viewBox="')[1].split('"')[0].split())
    zoom = 2 * px / max(w, h)
    png = bytes(resvg_py.svg_to_bytes(svg_string=document, width=round(w * zoom), height=round(h * zoom)))
    rgba = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED))[..., [2, 1, 0, 3]]
    ys, xs = np.nonzero(rgba[..., 3] > 8)
    rgba = rgba[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = px / max(rgba.shape[:2])
    premultiplied = rgba.astype(np.float32)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    size = (max(1, round(rgba.shape[1] * scale)), max(1, round(rgba.shape[0] * scale)))
    small = np.asarray(cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] /= np.maximum(small[..., 3:], 1) / 255
    return np.clip(small + 0.5, 0, 255).astype(np.uint8)


def dye(rgba: np.ndarray, color: str) -> np.ndarray:
    """The sprite with its main hue turned to a colour of COLORS; greys and other hues stay."""
    import cv2

    hue, saturation, value = COLORS[color]
    hsv = cv2.cvtColor(np.ascontiguousarray(rgba[..., :3]), cv2.COLOR_RGB2HSV).astype(np.float32)
    strong = (rgba[..., 3] > 128) & (hsv[..., 1] > 70) & (hsv[..., 2] > 40)
    counts = np.bincount(hsv[..., 0][strong].astype(int), minlength=180)
    ring = np.convolve(np.concatenate([counts[-12:], counts, counts[:12]]), np.ones(25), "valid")
    main = int(ring.argmax())
    distance = np.abs((hsv[..., 0] - main + 90) % 180 - 90)
    part = (distance < 16) & (hsv[..., 1] > 50)
    inside = part & strong
    if not inside.any():
        return rgba
    hsv[..., 0] = np.where(part, hue, hsv[..., 0])
    s_mean, v_mean = hsv[..., 1][inside].mean(), hsv[..., 2][inside].mean()
    hsv[..., 1] = np.where(part, np.clip(hsv[..., 1] * (saturation * 255 / s_mean), 0, 255), hsv[..., 1])
    hsv[..., 2] = np.where(part, np.clip(hsv[..., 2] * (value * 255 / v_mean), 0, 255), hsv[..., 2])
    return np.dstack([cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), rgba[..., 3]])


def _icons_needed() -> list[str]:
    from assets.build import paintings

    asked: list[str] = []

    def ask(key: str) -> str:
        asked.append(key)
        return ""

    own = paintings.drawings(ask)
    named = (drawing.partition("@")[0] for noun in NOUNS for drawing in noun.drawings)
    return sorted({*asked, *(key for key in named if key not in own)})


def _json_in(tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict:
    with tar.extractfile(member) as packed:  # type: ignore[union-attr]
        return json.load(packed)


def take_icons(npm: Path) -> dict:
    """art.json's content from packed packages in the folder npm, got with `npm pack` where absent."""
    sources, sets = {}, {}
    for name, package in PACKAGES.items():
        stem = package.removeprefix("@").replace("/", "-")
        if not sorted(npm.glob(f"{stem}-[0-9]*.tgz")):
            subprocess.run(["npm", "pack", package, "--silent"], cwd=npm, check=True)
        packed = sorted(npm.glob(f"{stem}-[0-9]*.tgz"))[-1]
        with tarfile.open(packed) as tar:
            members = {member.name: member for member in tar}
            icons, info = (_json_in(tar, members[f"package/{part}.json"]) for part in ("icons", "info"))
        sets[name] = icons["icons"]
        sources[name] = {
            "package": packed.name,
            "author": info["author"],
            "license": info["license"],
        }
    bodies = {key: sets[key.split(":")[0]][key.split(":")[1]]["body"] for key in _icons_needed()}
    return {"sources": sources, "icons": bodies}


def sheet(px: int = 96, columns: int = 16) -> np.ndarray:
    """Every drawing on grey with its noun beneath: uint8 [H, W, 3]."""
    from PIL import Image, ImageDraw

    cells = [(noun.name, drawing) for noun in NOUNS for drawing in noun.drawings]
    rows = -(-len(cells) // columns)
    page = Image.new("RGB", (columns * px, rows * (px + 12)), "#c9d3d6")
    pen = ImageDraw.Draw(page)
    for i, (name, drawing) in enumerate(cells):
        x, y = i % columns * px, i // columns * (px + 12)
        picture = Image.fromarray(sprite(drawing, px - 8))
        page.paste(picture, (x + 4 + (px - 8 - picture.width) // 2, y + px - 4 - picture.height), picture)
        pen.text((x + 3, y + px - 1), name[:16], fill="black")
    return np.asarray(page)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--npm", type=Path, help="folder with the packed npm packages; missing ones are got there"
    )
    parser.add_argument("--sheet", type=Path, help="write a picture of every drawing here")
    options = parser.parse_args()
    if options.npm:
        text = json.dumps(take_icons(options.npm), ensure_ascii=False, indent=0, sort_keys=True)
        ART.write_text(text + "\n", encoding="utf-8")
        print(f"{ART.name}: {len(_bodies())} icons, {len(text) // 1000} kB")
    if options.sheet:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(sheet()).save(buffer, "PNG")
        options.sheet.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main()
