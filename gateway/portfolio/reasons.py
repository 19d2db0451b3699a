"""The stable codes for which a row of a case file is refused, with one sentence for each."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """A reason to refuse a row; the names are part of the interface and never change meaning."""

    REQUIRED = "REQUIRED"
    NOT_MONEY = "NOT_MONEY"
    TOO_MANY_DECIMALS = "TOO_MANY_DECIMALS"
    NEGATIVE = "NEGATIVE"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    NOT_A_DATE = "NOT_A_DATE"
    SPREADSHEET_SERIAL_DATE = "SPREADSHEET_SERIAL_DATE"
    SPREADSHEET_DAMAGED = "SPREADSHEET_DAMAGED"
    NOT_AN_INTEGER = "NOT_AN_INTEGER"
    NOT_A_PERCENTAGE = "NOT_A_PERCENTAGE"
    NOT_A_FLAG = "NOT_A_FLAG"
    NOT_A_GENDER = "NOT_A_GENDER"
    NOT_A_STAGE = "NOT_A_STAGE"
    NOT_A_CURRENCY = "NOT_A_CURRENCY"
    NOT_A_TIMEZONE = "NOT_A_TIMEZONE"
    NOT_A_TREATMENT = "NOT_A_TREATMENT"
    NOT_A_PHONE = "NOT_A_PHONE"
    NOT_A_MOBILE = "NOT_A_MOBILE"
    NOT_AN_ID_NUMBER = "NOT_AN_ID_NUMBER"
    BAD_BIRTH_DATE = "BAD_BIRTH_DATE"
    BAD_CHECK_DIGIT = "BAD_CHECK_DIGIT"
    TOO_LONG = "TOO_LONG"
    CONTROL_CHARACTER = "CONTROL_CHARACTER"
    DAMAGED_CHARACTER = "DAMAGED_CHARACTER"
    PARTS_DO_NOT_ADD_UP = "PARTS_DO_NOT_ADD_UP"
    DUPLICATE_IN_FILE = "DUPLICATE_IN_FILE"
    ASSIGNED_ELSEWHERE = "ASSIGNED_ELSEWHERE"
    COLUMN_COUNT = "COLUMN_COUNT"
    BAD_QUOTING = "BAD_QUOTING"
    NOT_JSON = "NOT_JSON"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    NOT_A_SINGLE_VALUE = "NOT_A_SINGLE_VALUE"


# English for the operator's screen and the log of the import, Chinese for the rejects file, which
# goes back to the people who made the file.
_SENTENCES: dict[ErrorCode, tuple[str, str]] = {
    ErrorCode.ASSIGNED_ELSEWHERE: (
        "the case is assigned under another contract; recall it there first",
        "该案件已委派给其他合同, 请先退案",
    ),
    ErrorCode.REQUIRED: ("this column may not be empty", "必填项为空"),
    ErrorCode.NOT_MONEY: ("this is not an amount of money", "不是有效金额"),
    ErrorCode.TOO_MANY_DECIMALS: ("an amount has at most two decimals", "金额最多两位小数"),
    ErrorCode.NEGATIVE: ("this may not be negative", "不能为负数"),
    ErrorCode.OUT_OF_RANGE: ("this is outside the possible range", "超出合理范围"),
    ErrorCode.NOT_A_DATE: ("this is not a date of the calendar", "不是有效日期"),
    ErrorCode.SPREADSHEET_SERIAL_DATE: (
        "this is a spreadsheet's serial number, not a date; format the column as a date",
        "这是表格软件的日期序号, 请将该列设为日期格式后重新导出",
    ),
    ErrorCode.SPREADSHEET_DAMAGED: (
        "opened and saved by a spreadsheet: digits are lost; format the column as text",
        "该数字已被表格软件改为科学计数法, 位数丢失, 请将该列设为文本格式后重新导出",
    ),
    ErrorCode.NOT_AN_INTEGER: ("this is not a whole number", "不是整数"),
    ErrorCode.NOT_A_PERCENTAGE: (
        "this is not a percentage; write it with a percent sign, at most two decimals",
        "不是有效百分比, 请带百分号填写, 最多两位小数",
    ),
    ErrorCode.NOT_A_FLAG: ("this is neither yes nor no", "应填是或否"),
    ErrorCode.NOT_A_GENDER: ("this is not a known gender", "性别应填男或女"),
    ErrorCode.NOT_A_STAGE: ("this is not a stage M0 to M7+", "逾期阶段应为M0至M7+"),
    ErrorCode.NOT_A_CURRENCY: ("this is not an ISO 4217 code", "币种应为三位代码, 如CNY"),
    ErrorCode.NOT_A_TIMEZONE: ("this is not an IANA time zone", "时区应如Asia/Shanghai"),
    ErrorCode.NOT_A_TREATMENT: (
        "this is not a treatment code; the README of the import lists the six",
        "处置提示应为VULN_CARE、DISPUTED、PLAN_ACTIVE、LAWYER、NO_THIRD_PARTY或TIME_PREF",
    ),
    ErrorCode.NOT_A_PHONE: ("this is not one telephone number", "不是有效电话号码"),
    ErrorCode.NOT_A_MOBILE: ("this is not one mobile number", "不是有效手机号码"),
    ErrorCode.NOT_AN_ID_NUMBER: ("this is not an identity number", "不是有效证件号码"),
    ErrorCode.BAD_BIRTH_DATE: (
        "the birth date inside the identity number is not a date",
        "证件号码中的出生日期无效",
    ),
    ErrorCode.BAD_CHECK_DIGIT: (
        "the last character of the identity number does not match the others",
        "证件号码校验位错误",
    ),
    ErrorCode.TOO_LONG: ("this is longer than the column allows", "内容过长"),
    ErrorCode.CONTROL_CHARACTER: ("a control character is in the text", "含有控制字符或换行"),
    ErrorCode.DAMAGED_CHARACTER: (
        "a character was lost before the file was written (U+FFFD)",
        "含有乱码字符",
    ),
    ErrorCode.PARTS_DO_NOT_ADD_UP: (
        "principal, interest, penalty and fee do not add up to the total",
        "本金、利息、罚息与滞纳金之和不等于总金额",
    ),
    ErrorCode.DUPLICATE_IN_FILE: (
        "an earlier row of this file has the same case number",
        "案件编号与本文件前面的行重复",
    ),
    ErrorCode.COLUMN_COUNT: (
        "the row has more or fewer cells than the header",
        "列数与表头不一致",
    ),
    ErrorCode.BAD_QUOTING: (
        "a quotation mark stands inside a cell without being doubled",
        "引号使用错误",
    ),
    ErrorCode.NOT_JSON: ("the line is not one JSON object", "该行不是有效的JSON对象"),
    ErrorCode.DUPLICATE_KEY: (
        "the same field stands twice in the object",
        "同一字段重复出现",
    ),
    ErrorCode.NOT_A_SINGLE_VALUE: (
        "the field holds an object or a nested list",
        "字段应为单个值",
    ),
}


def reason(code: ErrorCode) -> str:
    """The English sentence for a code, without a full stop."""
    return _SENTENCES[code][0]


def chinese_reason(code: ErrorCode) -> str:
    """The Chinese sentence for a code, as the rejects file shows it."""
    return _SENTENCES[code][1]
