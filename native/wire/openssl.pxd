"""What `tls` uses of OpenSSL, and helpers in C where they need many of OpenSSL's constants."""

# Its enumeration comes before the C below, which uses it.
from native.wire.transport cimport TLS_FAILED

cdef extern from *:
    """
    #include <errno.h>
    #include <openssl/err.h>
    #include <openssl/ssl.h>
    #include <openssl/x509v3.h>
    #include <string.h>
    #include <sys/socket.h>

    typedef struct {
        int fd;
        int drained;  /* the last read was short: the socket is empty */
        int left;     /* bytes that may still be read in this turn */
        int error;    /* errno of the last failure; OpenSSL may spoil errno itself */
    } wire_t;

    static int wire_read(BIO *bio, char *data, int room)
    {
        wire_t *wire = BIO_get_data(bio);
        ssize_t n = -1;
        BIO_clear_retry_flags(bio);
        if (room > wire->left)
            room = wire->left;
        if (wire->drained || room == 0) {
            wire->drained = 0;
            BIO_set_retry_read(bio);
            return -1;
        }
        n = recv(wire->fd, data, (size_t)room, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            BIO_set_retry_read(bio);
        else if (n <= 0)
            wire->error = n < 0 ? errno : ECONNRESET;
        else
            wire->left -= (int)n;
        wire->drained = n > 0 && n < room;
        return (int)n;
    }

    static int wire_write(BIO *bio, const char *data, int size)
    {
        wire_t *wire = BIO_get_data(bio);
        ssize_t n = send(wire->fd, data, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
        BIO_clear_retry_flags(bio);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            BIO_set_retry_write(bio);
        else if (n < 0)
            wire->error = errno;
        return (int)n;
    }

    static long wire_control(BIO *bio, int command, long number, void *pointer)
    {
        (void)bio, (void)number, (void)pointer;
        return command == BIO_CTRL_FLUSH;
    }

    static BIO_METHOD *wire_method(void)
    {
        BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
        if (made && !(BIO_meth_set_read(made, wire_read) && BIO_meth_set_write(made, wire_write) &&
                      BIO_meth_set_ctrl(made, wire_control))) {
            BIO_meth_free(made);
            return NULL;
        }
        return made;
    }

    static BIO *wire_bio(const BIO_METHOD *method, wire_t *wire)
    {
        BIO *bio = method ? BIO_new(method) : NULL;
        if (bio) {
            BIO_set_data(bio, wire);
            BIO_set_init(bio, 1);
        }
        return bio;
    }

    /* Else OpenSSL asks at the terminal for the password of an encrypted key, and waits. */
    static int no_password(char *text, int size, int writing, void *data)
    {
        (void)text, (void)size, (void)writing, (void)data;
        return -1;
    }

    static SSL_CTX *context_of(const char *ca, const char *cert, const char *key)
    {
        SSL_CTX *made = SSL_CTX_new(TLS_client_method());
        if (!made)
            return NULL;
        SSL_CTX_set_default_passwd_cb(made, no_password);
        SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
        SSL_CTX_set_read_ahead(made, 1); /* a record takes one read, not one for its header too */
        if (SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) &&
            SSL_CTX_load_verify_locations(made, ca, NULL) == 1 &&
            SSL_CTX_use_certificate_chain_file(made, cert) == 1 &&
            SSL_CTX_use_PrivateKey_file(made, key, SSL_FILETYPE_PEM) == 1 &&
            SSL_CTX_check_private_key(made) == 1)
            return made;
        SSL_CTX_free(made);
        return NULL;
    }

    /* Whom the certificate must be for; a name is said to the peer as well (RFC 6066 section 3). */
    static int expect(SSL *ssl, const char *host, int named)
    {
        X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
        if (!named)
            return X509_VERIFY_PARAM_set1_ip_asc(param, host);
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return X509_VERIFY_PARAM_set1_host(param, host, 0) && SSL_set_tlsext_host_name(ssl, host);
    }

    /* The peer's subject as UTF-8. */
    static void subject_of(const SSL *ssl, char *text, int room)
    {
        X509 *peer = SSL_get0_peer_certificate(ssl);
        BIO *memory = peer ? BIO_new(BIO_s_mem()) : NULL;
        int size = 0;
        if (memory && X509_NAME_print_ex(memory, X509_get_subject_name(peer), 0,
                                         XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
            size = BIO_read(memory, text, room - 1);
        text[size > 0 ? size : 0] = 0;
        BIO_free(memory);
    }

    /* Why OpenSSL refuses the peer's certificate. */
    static int fault_of_peer(long verified)
    {
        switch (verified) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return TLS_DATES;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return TLS_NAME;
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
        case X509_V_ERR_CA_MD_TOO_WEAK:
            return TLS_WEAK;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return TLS_UNTRUSTED;
        default:
            return TLS_FAILED;
        }
    }

    /* What the peer says (RFC 8446 section 6.2). Before its own certificate came, a failed
       handshake is about versions and ciphers, afterwards about our certificate. */
    static int fault_of_alert(const SSL *ssl, int alert)
    {
        switch (alert) {
        case SSL_AD_PROTOCOL_VERSION:
        case SSL_AD_INSUFFICIENT_SECURITY:
            return TLS_NO_COMMON;
        case SSL_AD_HANDSHAKE_FAILURE:
            return SSL_get0_peer_certificate(ssl) ? TLS_REFUSED : TLS_NO_COMMON;
        case SSL_AD_BAD_CERTIFICATE:
        case SSL_AD_UNSUPPORTED_CERTIFICATE:
        case SSL_AD_CERTIFICATE_REVOKED:
        case SSL_AD_CERTIFICATE_EXPIRED:
        case SSL_AD_CERTIFICATE_UNKNOWN:
        case SSL_AD_UNKNOWN_CA:
        case SSL_AD_ACCESS_DENIED:
        case SSL_AD_CERTIFICATE_REQUIRED:
            return TLS_REFUSED;
        default:
            return TLS_FAILED;
        }
    }

    /* After SSL_ERROR_SSL: a TLS_*, and OpenSSL's words, which are constants. */
    static int fault_of(const SSL *ssl, const char **detail)
    {
        long verified = SSL_get_verify_result(ssl);
        unsigned long error = ERR_peek_last_error();
        int reason = ERR_GET_REASON(error);
        if (verified != X509_V_OK) {
            *detail = X509_verify_cert_error_string(verified);
            return fault_of_peer(verified);
        }
        *detail = ERR_reason_error_string(error);
        if (reason >= SSL_AD_REASON_OFFSET)
            return fault_of_alert(ssl, reason - SSL_AD_REASON_OFFSET);
        switch (reason) {
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_HTTP_REQUEST:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
        case SSL_R_BAD_RECORD_TYPE:
            return SSL_is_init_finished(ssl) ? TLS_FAILED : TLS_NOT;
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_WRONG_SSL_VERSION:
        case SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED:
            return TLS_NO_COMMON;
        case SSL_R_EE_KEY_TOO_SMALL:
        case SSL_R_CA_KEY_TOO_SMALL:
        case SSL_R_CA_MD_TOO_WEAK:
        case SSL_R_DH_KEY_TOO_SMALL:
            return TLS_WEAK;
        default:
            return TLS_FAILED;
        }
    }

    static int alive; /* contexts and sessions */

    static void count(int change) { __atomic_add_fetch(&alive, change, __ATOMIC_RELAXED); }

    static SSL_CTX *exchange(SSL_CTX **place, SSL_CTX *context)
    {
        return __atomic_exchange_n(place, context, __ATOMIC_ACQ_REL);
    }
    """
    ctypedef struct SSL:
        pass
    ctypedef struct SSL_CTX:
        pass
    ctypedef struct BIO:
        pass
    ctypedef struct BIO_METHOD:
        pass
    ctypedef struct wire_t:
        int fd
        int drained
        int left
        int error
    int alive
    void count(int change) noexcept nogil
    SSL_CTX *exchange(SSL_CTX **place, SSL_CTX *context) noexcept nogil
    BIO_METHOD *wire_method() noexcept nogil
    BIO *wire_bio(const BIO_METHOD *method, wire_t *wire) noexcept nogil
    SSL_CTX *context_of(const char *ca, const char *cert, const char *key) noexcept nogil
    int expect(SSL *ssl, const char *host, int named) noexcept nogil
    void subject_of(const SSL *ssl, char *text, int room) noexcept nogil
    int fault_of(const SSL *ssl, const char **detail) noexcept nogil

    SSL *SSL_new(SSL_CTX *context) noexcept nogil
    void SSL_free(SSL *ssl) noexcept nogil
    int BIO_free(BIO *bio) noexcept nogil
    void SSL_CTX_free(SSL_CTX *context) noexcept nogil
    void SSL_set_bio(SSL *ssl, BIO *reading, BIO *writing) noexcept nogil
    int SSL_connect(SSL *ssl) noexcept nogil
    int SSL_shutdown(SSL *ssl) noexcept nogil
    int SSL_read(SSL *ssl, void *data, int room) noexcept nogil
    int SSL_write(SSL *ssl, const void *data, int size) noexcept nogil
    int SSL_get_error(const SSL *ssl, int result) noexcept nogil
    int SSL_is_init_finished(const SSL *ssl) noexcept nogil
    const char *SSL_get_version(const SSL *ssl) noexcept nogil
    const char *SSL_get_cipher_name(const SSL *ssl) noexcept nogil
    void ERR_clear_error() noexcept nogil
    int SSL_ERROR_SSL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE
