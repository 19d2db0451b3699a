"""VERIFY.md: what an export proves, what it does not, and the commands, for its reader."""

from audit.checkpoint import Checkpoint
from audit.export.selection import Selection

_ABOUT_WHOLE = """\
This is the whole log `{origin}` up to its entry {last}: {size} entries, root hash
`{root}`.

这是日志 `{origin}` 的全部内容，共 {size} 条记录，截至第 {last} 条，根哈希如上。
"""

_ABOUT_PART = """\
**This is a filtered export, not the whole log.** Log `{origin}`, signed at {size} entries, root
hash `{root}`.

- Asked for: {filters}
- Range: entries {first} to {last}, {total} in number. **Shown: {shown}. Withheld: {withheld}.**
  An index of the range that does not stand in `entries.jsonl` was withheld.

**这是筛选后的导出，不是完整日志。** 范围为第 {first} 条至第 {last} 条，共 {total} 条，其中出示
{shown} 条，未出示 {withheld} 条；范围内未出现在 `entries.jsonl` 中的序号即为未出示的记录。
"""

_COMMANDS = """
## Commands / 验证命令

First get the log's verifier key (vkey) **by another way than this export**: from the contract,
from an earlier visit, from a vendor. A key that comes with the data proves nothing.
Likewise the keys of the witnesses: best is a whole trust policy of your own (`--policy FILE`).

请先通过其他渠道（合同、此前的检查、外包机构的回执）取得日志公钥（vkey），不要使用本导出自带的公钥。

1. The verifier in this export; it needs Python 3.9 or later, and either the package `cryptography`
   or OpenSSL 3. Read it first: it is one file. / 随附的独立验证程序：

       python3 verify.py . --vkey 'VKEY'
       python3 verify.py . --policy MY.policy

2. Casegate's verifier / Casegate 验证工具：

       pip install casegate
       casegate-audit verify . --policy MY.policy

3. Any program that reads C2SP tlog-tiles{foreign}

4. The list of files / 文件清单：`sha256sum -c files.sha256`

Exit status / 退出码: 0 verified 通过；1 altered 被篡改；2 cannot tell 无法判定（缺少文件、密钥或
见证签名）。

If `timestamps/` is there, each token binds a checkpoint to the clock of a time stamping authority
(RFC 3161); `openssl ts -reply -in timestamps/FILE.tsr -text` shows the time, and
`casegate-audit verify` checks it against the authority's certificate. `verify.py` does not.
"""

_FOREIGN_WHOLE = """, the format of `checkpoint` and `tile/`:

       tlog-tiles gen-proof "$PWD" 0                     # tlog-scales (Python)
       aics-tlog verify-checkpoint --tiles . --log-key 'VKEY'
       aics-tlog verify-inclusion --tiles . --log-key 'VKEY' --index 0 --leaf ENTRY

   or Go's `golang.org/x/mod/sumdb/note` (signature) with `sumdb/tlog` (tree, `TileHashReader`;
   its paths have the tile height after `tile/`, C2SP's have not)."""

_FOREIGN_PART = """: only the receipts in `proofs/` (C2SP
   tlog-proof), one by one, where there are any. The directory as a whole is refused by such
   programs, as it should be: tiles and entries of the rest are not in it."""

_PROOF_WHOLE = """
## What it proves / 能证明什么

- These entries, in this order, are the log that was signed at this size: none was changed,
  inserted, reordered or left out since it was signed.
- With cosignatures: each witness saw this log grow without ever being rewritten.
- With `request.tlog-proof`: who took this export, and when, as the log itself has it.

上述记录及其顺序即为签名时的日志：签名之后没有任何一条被修改、插入、调换或删除；见证签名表明日志只增不改；
`request.tlog-proof` 表明由谁、于何时导出。
"""

_PROOF_PART = """
## What it proves / 能证明什么

- Each entry shown stands in the signed log at the index given, byte for byte.
- The leaf hash of **every** entry of the range is in `tile/0/`, and leads to the signed root: the
  range has exactly this many entries, and every one is either shown or counted as withheld. When
  a withheld entry is handed in later, its hash tells whether it is the one.
- With `request.tlog-proof`: who took this export, when, with which filters, and how many entries
  were shown then, as the log itself has it. An entry taken out afterwards shows.

所示每条记录均逐字节位于已签名日志的相应序号；范围内**每一条**记录的叶哈希都在 `tile/0/` 中，
并通向已签名的根哈希，因此每条要么已出示，要么已计为未出示；`request.tlog-proof` 表明由谁、于何时、
以何条件导出，以及当时出示的条数。

## What a filter cannot prove / 筛选无法证明什么

- **That no withheld entry matches the filter.** A hash does not tell a vendor or a time. Only the
  whole range, in clear, proves that; ask for it (an export without filters) when it matters.
- That no entry outside of the range lies in the time asked for: order is the index, and times are
  what the gateway's clock said.

**筛选导出不能证明未出示的记录都不符合筛选条件**；如有需要，请要求不加筛选的完整导出。也不能证明范围之外没有
属于该时间段的记录。
"""

_LIMITS = """
## What no export proves / 任何导出都不能证明的

That the gateway wrote down the truth, that no data left by another way, or that what happened
after the checkpoint was logged. Whoever held the log's private key could have signed another
history: earlier checkpoints, vendors' receipts, witnesses and time stamps are what would show it.

不能证明网关如实记录，不能证明数据没有经其他途径流出，也不能证明检查点之后的事件。若私钥被盗，伪造的历史需由
此前的检查点、外包机构的回执、见证签名或时间戳来揭穿。

## Files / 文件

| file | holds |
|---|---|
| `entries.jsonl` | a line an entry: `index`, `leaf_hash`, `entry` as text or `entry_base64` |
| `checkpoint` | the signed head of the log, with its cosignatures |
| `tile/` | the hashes of the tree (C2SP tlog-tiles){bundles} |
| `log.policy` | the keys and the quorum that the operator names: compare, do not trust |
| `manifest.json`, `files.sha256` | range, counts, filters; SHA-256 of every file |
| `request.tlog-proof` | the entry that tells of this export; absent when not signed yet |
{proofs}"""

_PROOFS_ROW = """\
| `proofs/N.tlog-proof` | a receipt for each shown entry; none above 10,000: the tiles do |
"""


def guide_text(checkpoint: Checkpoint, selection: Selection) -> str:
    """The guide, in English and Chinese."""
    is_whole = selection.filters.is_empty
    filters = ", ".join(
        f"{name} `{value}`" for name, value in selection.filters.to_document().items()
    )
    about = (_ABOUT_WHOLE if is_whole else _ABOUT_PART).format(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        filters=filters,
        first=selection.first,
        last=(checkpoint.size if is_whole else selection.end) - 1,
        total=selection.end - selection.first,
        shown=selection.shown,
        withheld=selection.end - selection.first - selection.shown,
    )
    foreign = _FOREIGN_WHOLE if is_whole else _FOREIGN_PART
    limits = _LIMITS.format(
        bundles="; `tile/entries/` the entries" if is_whole else "",
        proofs="" if is_whole else _PROOFS_ROW,
    )
    return "".join(
        (
            "# How to verify this export / 如何验证本导出\n\n",
            about,
            _COMMANDS.format(foreign=foreign),
            _PROOF_WHOLE if is_whole else _PROOF_PART,
            limits,
        )
    )
