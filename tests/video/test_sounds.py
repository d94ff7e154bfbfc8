"""Letters to sounds: English by misaki's dictionary against espeak-ng, Mandarin, numbers, and mixed lines."""

from __future__ import annotations

import ctypes

import pytest

from core.video.audio.speech import split_words
from core.video.audio.voices import espeak, mandarin
from core.video.audio.voices.kokoro import known_phonemes
from core.video.audio.voices.sounds import sounds

# Sixty words, names, numbers and abbreviations: how the dictionary reads them, and how espeak-ng 1.52 does.
TABLE = {
    "through": ("θɹˈu", "θɹˈuː"),
    "colonel": ("kˈɜɹnᵊl", "kˈɜːnəl"),
    "Wednesday": ("wˈɛnzdˌA", "wˈɛnzdeɪ"),
    "chocolate": ("ʧˈɑkᵊlət", "tʃˈɑːklət"),
    "queue": ("kjˈu", "kjˈuː"),
    "recipe": ("ɹˈɛsəpˌi", "ɹˈɛsᵻpˌiː"),
    "choir": ("kwˈIəɹ", "kwˈaɪɚ"),
    "island": ("ˈIlənd", "ˈaɪlənd"),
    "salmon": ("sˈæmən", "sˈæmən"),
    "yacht": ("jˈɑt", "jˈɑːt"),
    "plough": ("plˈW", "plˈaʊ"),
    "bass guitar": ("bˈæs ɡətˈɑɹ", "bˈeɪs ɡɪtˈɑːɹ"),
    "lead pipe": ("lˈid pˈIp", "lˈiːd pˈaɪp"),
    "I read it yesterday": ("ˌI ɹˈɛd ɪt jˈɛstəɹdˌA", "aɪ ɹˈiːd ɪt jˈɛstɚdˌeɪ"),
    "I will read it": ("ˌI wɪl ɹˈid ɪt", "aɪ wɪl ɹˈiːd ɪt"),
    "a live show": ("ɐ lˈIv ʃˈO", "ɐ lˈaɪv ʃˈoʊ"),
    "close the door": ("klˈOz ðə dˈɔɹ", "klˈoʊs ðə dˈɔːɹ"),
    "close friends": ("klˈOs fɹˈɛndz", "klˈoʊs fɹˈɛndz"),
    "the wind blows": ("ðə wˈɪnd blˈOz", "ðə wˈɪnd blˈoʊz"),
    "wind the clock": ("wˈɪnd ðə klˈɑk", "wˈɪnd ðə klˈɑːk"),
    "tears in her eyes": ("tˈɪɹz ɪn hɜɹ ˈIz", "tˈɪɹz ɪn hɜːɹ ˈaɪz"),
    "record a song": ("ɹəkˈɔɹd ɐ sˈɔŋ", "ɹˈɛkɚd ɐ sˈɔŋ"),
    "a new record": ("ɐ nˈu ɹˈɛkəɹd", "ɐ nˈuː ɹˈɛkɚd"),
    "Siobhan": ("sɪˈɑbhən", "ʃɪvˈɔːn"),
    "Nguyen": ("əŋˈIən", "nˈuːjɛn"),
    "Worcester": ("wˈʊstəɹ", "wˈʊstɚ"),
    "Leicester": ("lˈɛstəɹ", "lˈɛstɚ"),
    "Edinburgh": ("ˈɛdənbəɹə", "ˈɛdɪnbʌɹə"),
    "Beijing": ("bˌAʤˈɪŋ", "beɪdʒˈɪŋ"),
    "Chengdu": ("ʧˌʌŋdˈu", "tʃˈɛŋɡduː"),
    "Xi'an": ("zˈIən", "zˈɪən"),
    "Tchaikovsky": ("tˈiʧAkˈɑvski", "tˈiːtʃeɪkˈɑːvski"),
    "Goethe": ("ɡˈOð", "ɡˈoʊð"),
    "Hermione": ("hˈɜɹmIəni", "hɜːmˈaɪəni"),
    "Zürich": ("zˈuɹɪʧ", "zˈuːɹɪtʃ"),
    "café": ("kæfˈA", "kæfˈeɪ"),
    "21": ("twˈɛnti wˈʌn", "twˈɛnti wˈʌn"),
    "100": ("wˈʌn hˈʌndɹəd", "wˈʌnhˈʌndɹɪd"),
    "1,250": ("wˈʌn θˈWzᵊnd tˈu hˈʌndɹəd fˈɪfti", "wˈʌn θˈaʊzənd tˈuːhˈʌndɹɪd fˈɪfti"),
    "2024": ("twˈɛnti twˈɛnti fˈɔɹ", "tˈuː θˈaʊzənd twˈɛnti fˈɔːɹ"),
    "1999": ("nˌIntˈin nˈIndi nˈIn", "nˈaɪntiːnhˈʌndɹɪd nˈaɪnti nˈaɪn"),
    "3.14": ("θɹˈi pYnt wˈʌn fˈɔɹ", "θɹˈiː pɔɪnt wˈʌn fˈɔːɹ"),
    "$9.99": ("nˈIn dˈɑləɹz ænd nˈIndi nˈIn sˈɛnts", "dˈɑːlɚ nˈaɪn pɔɪnt nˈaɪn nˈaɪn"),
    "€5": ("fˈIv jˈʊɹOz", "jˈʊɹɹoʊz fˈaɪv"),
    "7:30 pm": ("sˈɛvən θˈɜɹTi pˌiˈɛm", "sˈɛvən θˈɜːɾi pˌiːˈɛm"),
    "March 3rd": ("mˈɑɹʧ θˈɜɹd", "mˈɑːɹtʃ θˈɜːd"),
    "1/2": ("wˈʌn hˈæf", "wˈʌn slˈæʃ tˈuː"),
    "10 km": ("tˈɛn kəlˈɑməTəɹz", "tˈɛn kˌeɪˈɛm"),
    "Dr. Smith": ("dˈɑktəɹ smˈɪθ", "dˈɑːktɚ smˈɪθ"),
    "St. Paul": ("sˈAnt pˈɔl", "sənt pˈɔːl"),
    "Mr. Jones": ("mˈɪstəɹ ʤˈOnz", "mˈɪstɚ dʒˈoʊnz"),
    "NASA": ("nˈæsə", "nˈæsɐ"),
    "FBI": ("ˌɛfbˌiˈI", "ˌɛfbˌiːˈaɪ"),
    "HTML": ("ˌAʧtˌiˌɛmˈɛl", "ˌeɪtʃtˌiːˌɛmˈɛl"),
    "e.g. tea": ("ˌiʤˈi tˈi", "fˌɔːɹɛɡzˈæmpəl tˈiː"),
    "vs.": ("vˈɜɹsəs.", "vˌiːˈɛs"),
    "etc.": ("ɛtsˈɛTəɹə.", "ɛtsˈɛtɹə"),
    "ChatGPT": ("ʧˌætʤˌipˌitˈi", "tʃˈæt dʒˌiːpˌiːtˈiː"),
    "iPhone": ("ˈIfˌOn", "ˈaɪ fˈoʊn"),
    "WiFi": ("wˈI fˌI", "wˈaɪ fˌaɪ"),
}
# Which of them are read wrongly, judged by hand: why English is read by the dictionary.
WRONG_BY_DICTIONARY = {
    *("bass guitar", "lead pipe", "wind the clock"),
    *("Siobhan", "Nguyen", "Xi'an", "Tchaikovsky", "Goethe", "Hermione", "Zürich"),
}
WRONG_BY_ESPEAK = {
    *("lead pipe", "I read it yesterday", "close the door", "wind the clock", "record a song"),
    *("Nguyen", "Xi'an", "Tchaikovsky", "Goethe", "Hermione", "Zürich", "Chengdu", "St. Paul"),
    *("2024", "1999", "$9.99", "€5", "1/2", "10 km", "vs."),
}


def said(text: str, language: str = "en", british: bool = False) -> str:
    return "".join(sound.phonemes for sound in sounds(text, language, british))


def test_the_table_is_read_as_it_stands() -> None:
    assert len(TABLE) == 60
    assert {text: said(text) for text in TABLE} == {text: right for text, (right, _) in TABLE.items()}
    assert TABLE.keys() >= WRONG_BY_DICTIONARY | WRONG_BY_ESPEAK
    assert 2 * len(WRONG_BY_DICTIONARY) == len(WRONG_BY_ESPEAK)


def test_espeak_reads_the_table_as_it_stands() -> None:
    pytest.importorskip("espeakng_loader")
    library = espeak.loaded().library
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_SetVoiceByName(b"en-us")

    def read(text: str) -> str:
        kept = ctypes.create_string_buffer(text.encode())
        place, made = ctypes.c_void_p(ctypes.addressof(kept)), []
        while place.value:
            made.append(library.espeak_TextToPhonemes(ctypes.byref(place), 1, 2).decode())
        return " ".join(made)

    assert {text: read(text) for text in TABLE} == {text: other for text, (_, other) in TABLE.items()}


def test_british_voices_read_british() -> None:
    assert said("a car in the park") != said("a car in the park", british=True)
    assert "ɹ" not in said("a car in the park", british=True)


@pytest.mark.parametrize(
    ("pinyin", "phonemes"),
    [
        ("xiao3", "ɕjau↓"),
        ("zhi1", "ꭧɨ→"),
        ("ri4", "ɻɨ↘"),
        ("ci2", "ʦʰɨ↗"),
        ("lü4", "ly↘"),
        ("yue4", "ɥe↘"),
        ("er2", "ɚ↗"),
        ("wo3", "wo↓"),
        ("ju2", "ʨy↗"),
        ("quan2", "ʨʰɥɛ↗n"),
        ("xiong2", "ɕjʊ↗ŋ"),
        ("de5", "tɤ"),
        ("wei4", "wei↘"),
        ("you3", "jou↓"),
        ("yin1", "i→n"),
        ("wen2", "wə↗n"),
        ("bo1", "pwo→"),
        ("hng5", "hŋ"),
    ],
)
def test_a_syllable_sounds_as_misaki_has_it(pinyin: str, phonemes: str) -> None:
    """All 1549 syllables of pypinyin were compared with misaki 0.9.4, and are alike."""
    assert mandarin.syllable(pinyin) == phonemes


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("2024年3月5日", "二零二四年三月五日"),
        ("20年前", "二十年前"),
        ("2年后", "两年后"),
        ("第2个和2个", "第二个和两个"),
        ("12个", "十二个"),
        ("1,250.5元", "一千二百五十点五元"),
        ("涨了15%", "涨了百分之十五"),
        ("1/3", "三分之一"),
        ("10-20个", "十到二十个"),
        ("14:05开始", "十四点零五分开始"),
        ("2:00", "两点"),
        ("-3℃", "零下三摄氏度"),
        ("￥99", "九十九元"),
        ("13800138000", "一三八零零一三八零零零"),
    ],
)
def test_chinese_numbers_are_said_as_people_say_them(written: str, spoken: str) -> None:
    assert "".join(said for _, said in mandarin.numbers(written)) == spoken
    assert "".join(part for part, _ in mandarin.numbers(written)) == written


def test_characters_are_read_by_their_words() -> None:
    assert said("银行行走", "zh") == "i↗nxa↗ŋ ɕi↗ŋʦou↓"
    assert said("了解了", "zh") == "ljau↓ʨje↓ lɤ"
    assert said("小镇很安静，河上有雾。", "zh").count(",") == 1


@pytest.mark.parametrize(
    "text",
    [
        "我用ChatGPT写代码，2024年卖了1,250个，觉得很cool！",
        "会议在14:05开始，大约10-20个人；Dr. Smith 说 OK。",
        "They drink 龙井 tea, and it costs ¥50.",
        "“你好”，他说。",
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_written_word_finds_its_sounds(text: str, language: str) -> None:
    """In order, each with a sound of its own, in signs that the model knows."""
    words, made = split_words(text), sounds(text, language)
    owners = [sound.word for sound in made]
    assert owners == sorted(owners)
    spoken = {sound.word for sound in made if any(sign.isalpha() for sign in sound.phonemes)}
    assert spoken == {at for at, word in enumerate(words) if any(sign.isalnum() for sign in word)}
    assert {sign for sound in made for sign in sound.phonemes} <= known_phonemes().keys()


@pytest.mark.parametrize("text", ["", "!!!", "……", "🙂"])
def test_what_has_no_sound_has_none(text: str) -> None:
    assert not [sound for sound in sounds(text, "zh") if any(sign.isalpha() for sign in sound.phonemes)]
