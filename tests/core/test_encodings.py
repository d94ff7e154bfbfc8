"""Bytes of unknown encoding, tables of unknown separator, JSON of any layout, all with small faults."""

import json
import random
from difflib import SequenceMatcher

import pytest

from core.encodings import decoded, encoding_of, json_values, misread, shared, table, whole
from core.messages import Mistake

CHINESE = "鱼在河里游，小镇的早晨。"
SHORT = {
    "simplified": "鱼在河里游，小镇的早晨。",
    "traditional": "魚在河裡游，小鎮的早晨。",
    "japanese": "川は町より先に目を覚ます。",
    "korean": "강물은 마을보다 먼저 깨어난다.",
    "russian": "Река просыпается раньше города.",
    "french": "Ça coûte 5 € près de la rivière.",
    "polish": "Rzeka budzi się wcześniej niż miasteczko.",
    "greek": "Το ποτάμι ξυπνά πριν από την πόλη.",
    "turkish": "Nehirde bir sabah ışığı, güneş doğar.",
    "hebrew": "הנהר מתעורר לפני העיירה.",
    "arabic": "يستيقظ النهر قبل المدينة.",
    "thai": "แม่น้ำตื่นก่อนเมืองเล็ก",
}
LONG = {
    "simplified": (
        "清晨的河水比小镇醒得更早。一只白鹭站在薄雾里等早餐。远处有水壶开始唱歌。\n"
        "面包师一扇一扇地打开窗板。小船像老朋友一样点头。第一辆自行车过了石桥。"
        "昨夜的雨在街上留下镜子。"
    ),
    "traditional": (
        "清晨的河水比小鎮醒得更早。一隻白鷺站在薄霧裡等早餐。遠處有水壺開始唱歌。\n"
        "麵包師一扇一扇地打開窗板。小船像老朋友一樣點頭。第一輛自行車過了石橋。"
        "昨夜的雨在街上留下鏡子。"
    ),
    "japanese": (
        "川は町より先に目を覚ます。霧の中で一羽のサギが朝食を待っている。\n"
        "どこかでやかんが歌いはじめる。パン屋が窓を一枚ずつ開けていく。"
        "小舟は古い友達のようにうなずく。"
    ),
    "korean": (
        "강물은 마을보다 먼저 깨어난다. 왜가리는 안개 속에서 아침을 기다린다.\n"
        "어딘가에서 주전자가 노래하기 시작한다. 빵집 주인이 덧문을 하나씩 연다. "
        "작은 배들은 오랜 친구처럼 고개를 끄덕인다."
    ),
    "russian": (
        "Река просыпается раньше города. Цапля стоит в тумане и ждёт завтрака.\n"
        "Где-то начинает петь чайник. Пекарь открывает ставни одну за другой. "
        "Лодки кивают, как старые друзья."
    ),
    "french": (
        "La rivière s’éveille avant la ville. "
        "Un héron se tient dans la brume et attend son déjeuner.\n"
        "Quelque part une bouilloire se met à chanter. "
        "Ici personne n’est pressé, même pas l’horloge."
    ),
    "polish": (
        "Rzeka budzi się wcześniej niż miasteczko. Czapla stoi we mgle i czeka na śniadanie.\n"
        "Gdzieś zaczyna śpiewać czajnik. Łódki kiwają głowami jak starzy przyjaciele. "
        "Nikt się tu nie śpieszy, nawet zegar."
    ),
    "greek": (
        "Το ποτάμι ξυπνά πριν από την πόλη. "
        "Ένας ερωδιός στέκεται στην ομίχλη και περιμένει το πρωινό του.\n"
        "Κάπου μια τσαγιέρα αρχίζει να τραγουδά. Εδώ κανείς δεν βιάζεται, ούτε καν το ρολόι."
    ),
    "turkish": (
        "Nehir kasabadan önce uyanır. Bir balıkçıl siste durur ve kahvaltısını bekler.\n"
        "Bir yerlerde bir çaydanlık şarkı söylemeye başlar. Burada kimse acele etmez, saat bile. "
        "Dün gece yağmur yağdı."
    ),
    "hebrew": (
        "הנהר מתעורר לפני העיירה. אנפה עומדת בערפל ומחכה לארוחת הבוקר שלה.\n"
        "אי שם קומקום מתחיל לשיר. כאן איש אינו ממהר, אפילו לא השעון."
    ),
    "arabic": (
        "يستيقظ النهر قبل المدينة. يقف مالك الحزين في الضباب وينتظر فطوره.\n"
        "في مكان ما تبدأ غلاية بالغناء. لا أحد يستعجل هنا، ولا حتى الساعة."
    ),
    "thai": ("แม่น้ำตื่นก่อนเมืองเล็ก นกกระสายืนอยู่ในหมอกและรออาหารเช้า\nที่ไหนสักแห่งกาน้ำเริ่มร้องเพลง ที่นี่ไม่มีใครรีบร้อน"),
}
ENCODINGS = {
    "simplified": ["gbk", "gb18030", "gb2312"],
    "traditional": ["big5", "cp950", "big5hkscs"],
    "japanese": ["cp932", "shift_jis", "euc_jp"],
    "korean": ["euc_kr", "cp949"],
    "russian": ["cp1251", "koi8_r", "cp866"],
    "french": ["cp1252"],
    "polish": ["cp1250"],
    "greek": ["cp1253"],
    "turkish": ["cp1254"],
    "hebrew": ["cp1255"],
    "arabic": ["cp1256"],
    "thai": ["cp874"],
}
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
EACH = [(name, encoding) for name in LONG for encoding in ENCODINGS[name]]


def read(raw: bytes, like: str = "") -> str:
    return decoded(raw, "a.txt", like).text


def told(raw: bytes) -> tuple[str, ...]:
    return tuple(map(str, decoded(raw, "a.txt").problems("a.txt")))


@pytest.mark.parametrize(("name", "encoding"), EACH)
def test_an_older_encoding_is_told_from_a_short_and_a_long_text(name, encoding):
    for text in (SHORT[name], LONG[name], f"topic,reply\nrain,{SHORT[name]}\n", LONG[name] * 3000):
        assert read(text.encode(encoding)) == text


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("encoding", UNICODE)
def test_unicode_of_any_width_and_order(name, encoding):
    for text in (SHORT[name], LONG[name]):
        line = f"{text} \n"  # without a mark, UTF-16 is told by spaces and line ends
        assert read(line.encode(encoding)) == line
        assert told(line.encode(encoding)) == ()


@pytest.mark.parametrize("name", LONG)
def test_a_broken_byte_costs_one_character_and_is_told_with_its_line(name):
    raw = LONG[name].encode()
    line = raw.index(b"\n") + 1
    at = next(at for at in range(line + 3, len(raw)) if raw[at] >= 0xC0)  # opens a character of line 2
    for broken in (raw[:at] + raw[at + 1 :], raw[:at] + b"\xff" + raw[at + 1 :], raw[:at] + b"\0" + raw[at:]):
        assert len(LONG[name]) - len(read(broken)) in (0, 1)
        assert read(broken).startswith(LONG[name].partition("\n")[0])
        assert told(broken) == ("a.txt is damaged: broken characters were left out, in line 2.",)


def test_a_text_that_is_cut_within_its_last_character():
    raw = f"{CHINESE}\n{CHINESE}".encode()
    assert read(raw[:-1]) == f"{CHINESE}\n{CHINESE[:-1]}"
    assert told(raw[:-1]) == ("a.txt is damaged: broken characters were left out, in line 2.",)


def test_many_broken_lines_are_counted():
    raw = "".join(f"第{n}行的文字在这里\n" for n in range(20)).encode().replace("行".encode(), b"\xe8\xa1")
    assert told(raw) == ("a.txt is damaged: broken characters were left out, in line 1, 2, 3, 4, 5 (+15).",)


@pytest.mark.parametrize("encoding", ["gbk", "big5", "cp949", "cp1251"])
def test_a_broken_byte_in_an_older_encoding(encoding):
    name = {"gbk": "simplified", "big5": "traditional", "cp949": "korean", "cp1251": "russian"}[encoding]
    lines = LONG[name].split("\n") * 4
    broken = "\n".join(lines).encode(encoding) + b"\n\xff\n"
    assert read(broken).split("\n")[: len(lines)] == lines


def test_genuine_signs_of_loss_and_nul_go_and_are_told():
    assert read("a\ufffdb\0c\n".encode() + b"d" * 40) == "abc\n" + "d" * 40
    assert told("ok\na\ufffdb".encode()) == ("a.txt is damaged: broken characters were left out, in line 2.",)
    assert whole("cut \ud83d here \ude00 \U0001f600") == "cut  here  \U0001f600"


def test_what_is_too_short_is_told():
    assert told("猫と犬".encode("cp932")) == (
        "a.txt is not UTF-8 and too short to be sure of: it was read as cp932; save it as UTF-8 if it looks "
        "wrong.",
    )
    assert told(LONG["simplified"].encode("gbk")) == ()


def test_short_files_from_one_hand_are_told_together():
    captions = ["水墨画，小猫", "小猫", "一条鱼", "河", "桥上的人", "茶馆的门板", "雨后的石板路"]
    raws = [text.encode("gbk") for text in captions]
    like, _ = shared(raws)
    assert [read(raw, like) for raw in raws] == captions
    assert read("小猫".encode(), like) == "小猫"  # one of them in UTF-8
    assert shared([b"a fox", "a fox 🦊".encode()])[0] == ""


def test_rare_characters_and_a_marked_gb18030():
    text = "\ufeff𠮷野家 🦊 𪚥龘"
    assert read(text.encode("gb18030")) == text.removeprefix("\ufeff")


@pytest.mark.parametrize("text", ["Café à Zürich, naïve élan", "Ça coûte 5 €", "El señor dijo: “adiós”"])
def test_western(text):
    assert read(text.encode("cp1252")) == text


def test_lines_end_in_a_line_feed():
    assert read(b"a\r\nb\rc\n") == "a\nb\nc\n"
    assert read(b"") == "" and "fox" in read("a fox 🦊".encode()[:-1])


@pytest.mark.parametrize(
    "raw",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        b"\x89PNG\0\0\0\r" * 20,
        bytes(range(256)) * 3,
        random.Random(3).randbytes(3000),
        b"MZ\x90\0\3\0\0\0\4\0" * 9 + b"This program cannot be run in DOS mode",
        b"plain at first, " * 300 + bytes(range(32)) * 60,
    ],
)
def test_what_is_no_text(raw):
    with pytest.raises(Mistake, match=r"^a\.txt is not text, whatever its ending says"):
        decoded(raw, "a.txt")


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        (name, encoding)
        for name in ("simplified", "japanese", "russian")
        for encoding in ("gb18030", "latin-1")
    ]
    + [("japanese", "cp932"), ("russian", "cp932"), ("simplified", "cp1251")],
)
def test_a_garbled_text_is_told_and_never_learnt_as_it_is(name, encoding):
    garbled = (LONG[name] * 2).encode().decode(encoding, errors="replace").replace("\ufffd", "?")
    try:
        found = decoded(garbled.encode(), "a.txt")
    except Mistake as mistake:
        assert str(mistake).startswith("a.txt is garbled: some program read its UTF-8 as ")
    else:  # hardly anything was lost, so that it is put right
        assert found.mended and SequenceMatcher(None, found.text, LONG[name] * 2).ratio() > 0.95


@pytest.mark.parametrize("name", LONG)
def test_no_text_in_order_is_thought_garbled(name):
    assert misread(LONG[name]) == misread(SHORT[name]) == ""
    assert decoded(LONG[name].encode(), "a.txt").mended == ()


def test_a_western_garble_is_put_right_and_told():
    raw = "It’s here.\nItâ€™s a cafÃ© – “quiet”.\nAll is well.".encode()
    assert read(raw) == "It’s here.\nIt’s a café – “quiet”.\nAll is well."
    assert told(raw) == ("a.txt held UTF-8 that some program had read as something else; mended in line 2.",)


def test_an_encoding_beyond_the_first_lines():
    raw = b"plain words\n" * 30_000 + LONG["traditional"].encode("big5")
    assert encoding_of(raw)[0].startswith("big5")
    assert read(raw).endswith(LONG["traditional"])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables(separator):
    text = f'a{separator}b\n\n"x{separator}""y"""{separator}"two\nlines"\n'
    assert table(text) == ([["a", "b"], [f'x{separator}"y"', "two\nlines"]], separator, ())
    assert table(f"sep={separator}\na{separator}b\n") == ([["a", "b"]], separator, ())


def test_empty_table():
    assert table("\n \n") == ([], ",", ())


def test_a_quotation_mark_that_is_not_closed_swallows_nothing():
    text = 'topic,reply\n\nrain,"It came, and stayed.\nfog,It went.\nmist,"It is, here."\nsun,"two\nlines"\n'
    rows = [["topic", "reply"], ["rain", "It came, and stayed."], ["fog", "It went."],
            ["mist", "It is, here."], ["sun", "two\nlines"]]  # fmt: skip
    assert table(text) == (rows, ",", (3,))
    assert [str(one) for one in table(text).problems("t.csv")] == [
        "A quotation mark in t.csv isn't closed, in line 3; its text was read to the end of the line."
    ]
    last = table('a,b\n1,"x\n2,y\n')
    assert last == ([["a", "b"], ["1", "x"], ["2", "y"]], ",", (2,))
    many = table("a,b\n" + '1,"x\n2,y\n' * 3000)
    assert len(many.rows) == 6001 and len(many.unclosed) == 3000


def test_marks_within_a_cell_close_nothing():
    assert table('a,b\n"Go," he said,x\n1,"y" and z\n').rows[1:] == [["Go, he said", "x"], ["1", "y and z"]]
    assert table('a,b\n"Go," he said,x\n').unclosed == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}\n\n{"a": 2}\n', [(1, {"a": 1}), (3, {"a": 2})]),
        ('[{"a": 1},\n{"a": 2}]', [(1, {"a": 1}), (1, {"a": 2})]),
        ('{\n "a": 1\n}\n{\n "a": 2\n}', [(1, {"a": 1}), (4, {"a": 2})]),
        ('{"a": 1},\n{"a": 2},\n', [(1, {"a": 1}), (2, {"a": 2})]),
        ('[{"a": [1, 2,],},\n{"b": "x,]",},\n]', [(1, {"a": [1, 2]}), (1, {"b": "x,]"})]),
        ('{"a": "x\ny\tz"}', [(1, {"a": "x\ny\tz"})]),
        ('"x"\n3\nnull', [(1, "x"), (2, 3), (3, None)]),
        ("", []),
    ],
)
def test_json_of_any_layout(text, found):
    assert json_values(text) == found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"a": 1}\n{oops', 2),
        ('[\n{"a": 1}\n{"b": 2}\n]', 3),
        ('{"a": "cut\n{"a": 2}\n', 1),
        ('[\n{"a": 1},\n{"b": }\n,]', 3),
        ("[" * 20_000, 1),
    ],
)
def test_the_line_of_a_fault_in_json(text, line):
    with pytest.raises(json.JSONDecodeError) as fault:
        json_values(text)
    assert fault.value.lineno == line
