"""The generalised form of a Chinese address: province and prefecture-level city, nothing else.

The answer is always built from the table below and never cut out of the address, so no street,
building or person can slip through whatever the address looks like. The table is the division of
the country (GB/T 2260) into provinces and prefecture-level units. Towns that a province governs
itself are not in it; such an address gives the province alone.
"""

import re
import unicodedata
from dataclasses import dataclass

# Province | its short name | its prefecture-level units; a slash ends the short name of a
# prefecture that is not called 市. A line without units is a municipality or special region.
_TABLE = """
北京市|北京|
天津市|天津|
上海市|上海|
重庆市|重庆|
香港特别行政区|香港|
澳门特别行政区|澳门|
台湾省|台湾|
河北省|河北|石家庄市 唐山市 秦皇岛市 邯郸市 邢台市 保定市 张家口市 承德市 沧州市 廊坊市 衡水市
山西省|山西|太原市 大同市 阳泉市 长治市 晋城市 朔州市 晋中市 运城市 忻州市 临汾市 吕梁市
内蒙古自治区|内蒙古|呼和浩特市 包头市 乌海市 赤峰市 通辽市 鄂尔多斯市 呼伦贝尔市 巴彦淖尔市 \
乌兰察布市 兴安/盟 锡林郭勒/盟 阿拉善/盟
辽宁省|辽宁|沈阳市 大连市 鞍山市 抚顺市 本溪市 丹东市 锦州市 营口市 阜新市 辽阳市 盘锦市 铁岭市 \
朝阳市 葫芦岛市
吉林省|吉林|长春市 吉林市 四平市 辽源市 通化市 白山市 松原市 白城市 延边/朝鲜族自治州
黑龙江省|黑龙江|哈尔滨市 齐齐哈尔市 鸡西市 鹤岗市 双鸭山市 大庆市 伊春市 佳木斯市 七台河市 \
牡丹江市 黑河市 绥化市 大兴安岭/地区
江苏省|江苏|南京市 无锡市 徐州市 常州市 苏州市 南通市 连云港市 淮安市 盐城市 扬州市 镇江市 \
泰州市 宿迁市
浙江省|浙江|杭州市 宁波市 温州市 嘉兴市 湖州市 绍兴市 金华市 衢州市 舟山市 台州市 丽水市
安徽省|安徽|合肥市 芜湖市 蚌埠市 淮南市 马鞍山市 淮北市 铜陵市 安庆市 黄山市 滁州市 阜阳市 宿州市 \
六安市 亳州市 池州市 宣城市
福建省|福建|福州市 厦门市 莆田市 三明市 泉州市 漳州市 南平市 龙岩市 宁德市
江西省|江西|南昌市 景德镇市 萍乡市 九江市 新余市 鹰潭市 赣州市 吉安市 宜春市 抚州市 上饶市
山东省|山东|济南市 青岛市 淄博市 枣庄市 东营市 烟台市 潍坊市 济宁市 泰安市 威海市 日照市 临沂市 \
德州市 聊城市 滨州市 菏泽市
河南省|河南|郑州市 开封市 洛阳市 平顶山市 安阳市 鹤壁市 新乡市 焦作市 濮阳市 许昌市 漯河市 \
三门峡市 南阳市 商丘市 信阳市 周口市 驻马店市
湖北省|湖北|武汉市 黄石市 十堰市 宜昌市 襄阳市 鄂州市 荆门市 孝感市 荆州市 黄冈市 咸宁市 随州市 \
恩施/土家族苗族自治州
湖南省|湖南|长沙市 株洲市 湘潭市 衡阳市 邵阳市 岳阳市 常德市 张家界市 益阳市 郴州市 永州市 怀化市 \
娄底市 湘西/土家族苗族自治州
广东省|广东|广州市 韶关市 深圳市 珠海市 汕头市 佛山市 江门市 湛江市 茂名市 肇庆市 惠州市 梅州市 \
汕尾市 河源市 阳江市 清远市 东莞市 中山市 潮州市 揭阳市 云浮市
广西壮族自治区|广西|南宁市 柳州市 桂林市 梧州市 北海市 防城港市 钦州市 贵港市 玉林市 百色市 \
贺州市 河池市 来宾市 崇左市
海南省|海南|海口市 三亚市 三沙市 儋州市
四川省|四川|成都市 自贡市 攀枝花市 泸州市 德阳市 绵阳市 广元市 遂宁市 内江市 乐山市 南充市 眉山市 \
宜宾市 广安市 达州市 雅安市 巴中市 资阳市 阿坝/藏族羌族自治州 甘孜/藏族自治州 凉山/彝族自治州
贵州省|贵州|贵阳市 六盘水市 遵义市 安顺市 毕节市 铜仁市 黔西南/布依族苗族自治州 \
黔东南/苗族侗族自治州 黔南/布依族苗族自治州
云南省|云南|昆明市 曲靖市 玉溪市 保山市 昭通市 丽江市 普洱市 临沧市 楚雄/彝族自治州 \
红河/哈尼族彝族自治州 文山/壮族苗族自治州 西双版纳/傣族自治州 大理/白族自治州 \
德宏/傣族景颇族自治州 怒江/傈僳族自治州 迪庆/藏族自治州
西藏自治区|西藏|拉萨市 日喀则市 昌都市 林芝市 山南市 那曲市 阿里/地区
陕西省|陕西|西安市 铜川市 宝鸡市 咸阳市 渭南市 延安市 汉中市 榆林市 安康市 商洛市
甘肃省|甘肃|兰州市 嘉峪关市 金昌市 白银市 天水市 武威市 张掖市 平凉市 酒泉市 庆阳市 定西市 陇南市 \
临夏/回族自治州 甘南/藏族自治州
青海省|青海|西宁市 海东市 海北/藏族自治州 黄南/藏族自治州 海南/藏族自治州 果洛/藏族自治州 \
玉树/藏族自治州 海西/蒙古族藏族自治州
宁夏回族自治区|宁夏|银川市 石嘴山市 吴忠市 固原市 中卫市
新疆维吾尔自治区|新疆|乌鲁木齐市 克拉玛依市 吐鲁番市 哈密市 昌吉/回族自治州 博尔塔拉/蒙古自治州 \
巴音郭楞/蒙古自治州 阿克苏/地区 克孜勒苏/柯尔克孜自治州 喀什/地区 和田/地区 伊犁/哈萨克自治州 \
塔城/地区 阿勒泰/地区
"""

_READ_CHARACTERS = 80
_SEPARATORS = re.compile(r"[\s,,、;;:/|·.。_-]+")
_COUNTRY = re.compile(r"(?:中华人民共和国|中国)")
# 北京西路 and 中山三路 are streets of other cities.
_STREET = re.compile(
    r"[东西南北中一二三四五六七八九十]{0,2}(?:路|街|大道|大街|巷|弄|里|村|新村|花园|小区|苑|广场|大厦)"
)
_DISTRICT = re.compile(r"$|.{0,8}?[区县旗镇乡市]")


@dataclass(frozen=True, slots=True)
class _Place:
    """One way to write a place, and the constant that is released for it."""

    spelling: str
    released: str
    province: str
    is_short: bool


def place_of(address: str) -> str | None:
    """Return for example 广东省深圳市, 上海市, or 江苏省 where no city is clear; None if unclear.

    A short name (广东深圳) counts only at the start, a short city only after its province, and
    neither when a street's name goes on with it.
    """
    text = _SEPARATORS.sub("", unicodedata.normalize("NFKC", address[:_READ_CHARACTERS]))
    country = _COUNTRY.match(text)
    if country is not None:
        text = text[country.end() :]
    city = _first(_CITIES, text)
    if city is not None and not city.is_short:
        return city.released
    province = _first(_PROVINCES, text)
    if province is None:
        return None
    rest = text[len(province.spelling) :]
    if province.is_short and _STREET.match(rest):
        return None
    city = _first(_CITIES, rest)
    if city is None or city.province != province.province:
        return province.released
    if city.is_short:
        after = rest[len(city.spelling) :]
        if _STREET.match(after) or not _DISTRICT.match(after):
            return province.released
    return city.released


def _first(places: dict[str, tuple[_Place, ...]], text: str) -> _Place | None:
    for place in places.get(text[:2], ()):
        if text.startswith(place.spelling):
            return place
    return None


def _indexed(places: list[_Place]) -> dict[str, tuple[_Place, ...]]:
    index: dict[str, list[_Place]] = {}
    for place in sorted(places, key=lambda place: -len(place.spelling)):
        index.setdefault(place.spelling[:2], []).append(place)
    return {start: tuple(found) for start, found in index.items()}


def _read_table() -> tuple[dict[str, tuple[_Place, ...]], dict[str, tuple[_Place, ...]]]:
    provinces: list[_Place] = []
    cities: list[_Place] = []
    for line in _TABLE.split("\n"):
        if not line:
            continue
        province, short, units = line.split("|")
        provinces += [
            _Place(province, province, province, is_short=False),
            _Place(short, province, province, is_short=True),
        ]
        for unit in units.split():
            name = unit.replace("/", "")
            stem = unit.split("/")[0].removesuffix("市")
            cities += [
                _Place(name, province + name, province, is_short=False),
                _Place(stem, province + name, province, is_short=True),
            ]
            if name.endswith("自治州"):
                cities.append(_Place(stem + "州", province + name, province, is_short=False))
    return _indexed(provinces), _indexed(cities)


_PROVINCES, _CITIES = _read_table()
