"""Texts about: Certificate files and lists of revoked certificates."""

from usage import Words

TABLE = {
    "pem_unread": Words("{option} {path}：{error}", "{option} {path}: {error}"),
    "pem_other": Words(
        "{option} {path}：不是含有 {mark} 的 PEM 文件",
        "{option} {path}: not a PEM file with {mark}",
    ),
    "key_of_another": Words(
        "--key {key} 和 --cert {cert} 不是一对；写这张证书自己的私钥",
        "--key {key} does not belong to --cert {cert}; name the key that this certificate was made"
        " for",
    ),
    "pair_unfit": Words(
        "--cert {cert} 或 --key {key} 不能用：{error}；要 PEM 证书和它没有加密的 PEM 私钥",
        "--cert {cert} or --key {key} can't be used: {error}; give a PEM certificate and its"
        " unencrypted PEM key",
    ),
    "ca_unfit": Words(
        "--ca {path}：里面没有读得懂的证书", "--ca {path}: no certificate in it can be read"
    ),
    "ca_unread": Words("--ca {path} 读不了：{error}", "--ca {path} can't be read: {error}"),
    "new_unused": Words(
        "新的证书文件没有用上：{error}", "new certificate files are not used: {error}"
    ),
    "own_unread": Words("--cert {path} 现在读不了", "--cert {path} can't be read any more"),
    "own_expired": Words(
        "接收端自己的证书 {path}（{subject}）已于 {day} 到期：没有网关能连上；换掉文件，会自动重读",
        "the receiver's own certificate {path} ({subject}) expired on {day}: no box connects;"
        " replace the file, it is read again by itself",
    ),
    "own_expires": Words(
        "接收端自己的证书 {path}（{subject}）{day} 到期，还有 {days} 天；换掉文件，会自动重读",
        "the receiver's own certificate {path} ({subject}) expires on {day}, in {days} days;"
        " replace the file, it is read again by itself",
    ),
    "crl_other": Words(
        "--crl {path}：不是含有 CRL 的 PEM 文件；DER 格式的这样转换："
        "openssl crl -inform DER -in {path} -out {path}.pem",
        "--crl {path}: not a PEM file with a CRL; one in DER becomes PEM by: openssl crl -inform"
        " DER -in {path} -out {path}.pem",
    ),
    "crl_unread": Words(
        "--crl {path}：里面有一份列表读不了：{error}",
        "--crl {path}: a list in it can't be read: {error}",
    ),
    "crl_delta": Words(
        "--crl {path}：{issuer} 的这份是增量列表；要完整的",
        "--crl {path}: a delta list of {issuer}; give the whole list",
    ),
    "crl_unsigned": Words(
        "--crl {path}：{issuer} 的列表不是 --ca {ca} 里的任何证书签的；换成那个机构的列表，"
        "或把它的证书加进 --ca",
        "--crl {path}: the list of {issuer} is signed by no certificate in --ca {ca}; give the"
        " list of that authority, or add its certificate to --ca",
    ),
    "crl_late": Words(
        "--crl {path}：{issuer} 的列表应在 {day} 之前更换；它继续有效，此后吊销了什么这里不知道："
        "请取新的",
        "--crl {path}: the list of {issuer} was to be replaced by {day}; it stays in force. What"
        " was revoked since is not known here: fetch the new one",
    ),
    "crl_kept": Words("原来的吊销列表继续有效：{error}", "the last lists stay in force: {error}"),
}
