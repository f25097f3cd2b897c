"""What can go wrong, in the domain's words: the culprit, its value, and what would do.

No HTTP here: `service.api.problems` alone decides which status code each error becomes.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import ClassVar


class FoveaError(Exception):
    """`code` is stable and meant for programs; `detail` and `remedy` are sentences meant for people."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail}; {remedy}")
        self.detail = detail
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross from process to process, and each class's __init__ takes what it likes."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[FoveaError], args: tuple[object, ...], attributes: dict[str, object]) -> FoveaError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


def shown(value: object, limit: int = 64) -> str:
    """`repr` cut to `limit` characters, so that no answer and no log line grows with what a client sent."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def nearest(name: str, available: Sequence[str], count: int = 5) -> str:
    """The names most like `name`, else the first ones, as one phrase."""
    close = get_close_matches(name[:256], available, n=count, cutoff=0.4) or list(available[:count])
    return ", ".join(close) or "none"


# --- names nobody knows


class NotFoundError(FoveaError):
    """A name in the request belongs to nothing here."""


class UnknownModelError(NotFoundError):
    code = "model_unknown"

    def __init__(self, name: str, available: Sequence[str]) -> None:
        super().__init__(f"no model named {shown(name)}", f"loaded models: {nearest(name, available)}")


class UnknownVersionError(NotFoundError):
    code = "version_unknown"

    def __init__(self, name: str, version: str, available: Sequence[int]) -> None:
        versions = ", ".join(map(str, available)) or "none"
        super().__init__(f"model {shown(name)} has no version {shown(version)}", f"its versions: {versions}")


class UnknownLayerError(NotFoundError):
    code = "layer_unknown"

    def __init__(self, layer: str, available: Sequence[str]) -> None:
        super().__init__(f"no layer named {shown(layer)}", f"nearest names: {nearest(layer, available)}")


# --- what the client sent


class InvalidInputError(FoveaError):
    """Well-formed HTTP, but a value in it cannot be used."""


class InvalidParameterError(InvalidInputError):
    code = "parameter_invalid"

    def __init__(self, name: str, value: object, remedy: str) -> None:
        super().__init__(f"{name}={shown(value)} cannot be used", remedy)


class MalformedBodyError(InvalidInputError):
    code = "body_malformed"


class InvalidTensorError(InvalidInputError):
    code = "tensor_invalid"


class MissingImageError(InvalidInputError):
    code = "image_missing"

    def __init__(self) -> None:
        super().__init__(
            "the request holds no image",
            'send a multipart field `file`, the image bytes as the body, or JSON {"images": [base64, ...]}',
        )


class TooManyImagesError(InvalidInputError):
    code = "too_many_images"

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} images in one request", f"send at most {limit} at a time")


class EmptyImageError(InvalidInputError):
    code = "image_empty"

    def __init__(self) -> None:
        super().__init__("the image has 0 bytes", "send the file's contents")


class CorruptImageError(InvalidInputError):
    code = "image_corrupt"

    def __init__(self, image_format: str, reason: str) -> None:
        super().__init__(f"the {image_format} image cannot be decoded: {shown(reason, 120)}", "send an intact file")


class UnreadableImageError(InvalidInputError):
    code = "image_unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"there are no bytes: {reason}", "check the file and its rights")


class ImageTooLargeError(InvalidInputError):
    code = "image_too_large"

    def __init__(self, width: int, height: int, max_pixels: int, max_side: int) -> None:
        super().__init__(
            f"{width}x{height} = {width * height:,} pixels",
            f"send at most {max_pixels:,} pixels and {max_side:,} on a side",
        )


class ImageTooComplexError(InvalidInputError):
    code = "image_too_complex"

    def __init__(self, detail: str) -> None:
        super().__init__(
            detail, "send it smaller or saved again; a baseline JPEG has 1 scan, a progressive one about 10"
        )


class UnsupportedImageError(FoveaError):
    code = "image_format_unsupported"

    def __init__(self, found: str, supported: Sequence[str]) -> None:
        super().__init__(f"the bytes are {found}, not a supported image", f"send one of: {', '.join(supported)}")


class UnsupportedEncodingError(FoveaError):
    code = "content_encoding_unsupported"

    def __init__(self, found: str, supported: Sequence[str]) -> None:
        super().__init__(f"Content-Encoding {shown(found)} is not read", f"use one of: {', '.join(supported)}, or none")
        self.supported = supported


class MalformedRequestError(FoveaError):
    """No HTTP, or HTTP that could be read in two ways."""

    code = "request_malformed"


class TargetTooLongError(FoveaError):
    code = "target_too_long"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request's URL exceeds {limit:,} bytes", "send a shorter one")


class HeadTooLargeError(FoveaError):
    code = "head_too_large"

    def __init__(self, headers: int, line_bytes: int, bytes_in_all: int) -> None:
        limits = f"{headers} headers, {line_bytes:,} bytes in one or {bytes_in_all:,} bytes in all"
        super().__init__(f"the request has more than {limits}", "send fewer or smaller ones")


class TooSlowError(FoveaError):
    """What has to come does not."""


class HeadTimeoutError(TooSlowError):
    code = "head_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the head of the request took over {seconds:g} s", "send it at once")


class BodyTimeoutError(TooSlowError):
    code = "body_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the body paused for over {seconds:g} s, or comes too slowly", "send it faster, or a smaller one"
        )


class TooLargeError(FoveaError):
    """More bytes than the service takes or gives in one message."""


class BodyTooLargeError(TooLargeError):
    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request body exceeds {limit:,} bytes", "send fewer or smaller images per request")


class ChunksTooSmallError(TooLargeError):
    code = "chunks_too_small"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"what stands between the chunks of the body exceeds {limit:,} bytes",
            "send larger chunks, or a Content-Length and none",
        )


class AnswerTooLargeError(TooLargeError):
    code = "answer_too_large"


# --- the model cannot do what was asked


class GraphTooLargeError(InvalidInputError):
    code = "graph_too_large"

    def __init__(self, nodes: int, reads: int, max_nodes: int, max_reads: int) -> None:
        found = f"{nodes:,} nodes" if nodes > max_nodes else f"nodes that read {reads:,} tensors"
        limit = f"{max_nodes:,} nodes" if nodes > max_nodes else f"{max_reads:,}"
        super().__init__(
            f"the graph has at least {found}, more than can be looked into",
            f"simplify it to at most {limit} (fold constants, do not unroll loops); it is classified with all the same",
        )


class NotAClassifierError(InvalidInputError):
    code = "model_not_a_classifier"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"model {shown(name)} has no output with one score per class", "its layer-shapes and feature-maps work"
        )


class TooManyPassesError(InvalidInputError):
    """Refused before it began, since it could not end in time."""

    code = "too_many_passes"

    def __init__(self, passes: int, seconds_each: float, seconds_left: float, limit: int, remedy: str) -> None:
        estimate = f"{passes:,} passes of {1000 * seconds_each:.3g} ms take {passes * seconds_each:.1f} s"
        super().__init__(f"{estimate}; there are {max(0.0, seconds_left):.1f} s and at most {limit:,} passes", remedy)


class InspectionEndedError(InvalidInputError):
    """The process that answers such questions ended over this one: more memory than there is, or a crash."""

    code = "inspection_ended"

    def __init__(self, exit_code: int) -> None:
        super().__init__(
            f"looking into this network ended the process that does it, with code {exit_code}",
            "ask for fewer layers or a smaller size; classify is not affected",
        )


# --- the service cannot answer now


class OverloadedError(FoveaError):
    code = "overloaded"

    def __init__(self, waiting: int, seconds: float, retry_after_seconds: int) -> None:
        super().__init__(
            f"{waiting} images are waiting, which takes {seconds:.1f} s", f"try again in {retry_after_seconds} s"
        )
        self.retry_after_seconds = retry_after_seconds


class InspectionBusyError(OverloadedError):
    code = "inspection_busy"

    def __init__(self, waiting: int) -> None:
        FoveaError.__init__(self, f"{waiting} questions about networks are waiting", "try again in 1 s")
        self.retry_after_seconds = 1


class ConnectionsFullError(OverloadedError):
    code = "connections_full"

    def __init__(self, limit: int) -> None:
        FoveaError.__init__(self, f"{limit:,} connections are open", "try again in 1 s")
        self.retry_after_seconds = 1


class BodiesFullError(OverloadedError):
    code = "bodies_full"

    def __init__(self, limit: int) -> None:
        FoveaError.__init__(
            self,
            f"the bodies of all requests under way exceed {limit:,} bytes, and this is the largest",
            "try again in 1 s",
        )
        self.retry_after_seconds = 1


class OutOfMemoryError(OverloadedError):
    """A run found no memory on the device. A batch is run again in halves, so this is one image's."""

    code = "out_of_memory"

    def __init__(self, device: str) -> None:
        FoveaError.__init__(self, f"{device} has no memory left for this image", "try again in 1 s")
        self.retry_after_seconds = 1


class DeadlineExceededError(FoveaError):
    code = "deadline_exceeded"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s", "try again, or send fewer images per request")


class PortUnavailableError(FoveaError):
    code = "port_unavailable"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"{host}:{port} cannot be listened on: {reason}", "choose another with FOVEA_HOST and FOVEA_PORT, or --port"
        )


class NoTemporaryFolderError(FoveaError):
    """Several workers reach each other over sockets in one."""

    code = "no_temporary_folder"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no temporary folder can be written: {reason}",
            "name one that can be with TMPDIR, or serve with FOVEA_WORKERS=1, which needs none",
        )


class PeerFailedError(FoveaError):
    """One worker did as it was told, another one could not."""

    code = "worker_failed"

    def __init__(self, what: str) -> None:
        super().__init__(f"another worker {what}", "ask again; GET /v1/models says what is loaded")


class SwitchedOffError(FoveaError):
    """Something the operator of the service has to allow first."""

    code = "switched_off"


class ManagementOffError(SwitchedOffError):
    code = "management_off"

    def __init__(self) -> None:
        super().__init__(
            "loading and unloading over HTTP is switched off",
            "start the service with FOVEA_MANAGEMENT_TOKENS and send one as `Authorization: Bearer TOKEN`",
        )


class LiveStatisticsOffError(SwitchedOffError):
    code = "live_statistics_off"

    def __init__(self) -> None:
        super().__init__(
            "no production image is sampled for statistics of the layers",
            "start the service with FOVEA_LIVE_SHARE=0.01, or another share of the images up to 1",
        )


class InvalidTokenError(FoveaError):
    code = "token_invalid"

    def __init__(self, *, sent: bool) -> None:
        found = "the token is none of this service's" if sent else "the request has no token"
        super().__init__(found, "send one that the service was given, as `Authorization: Bearer TOKEN`")


class TokenRoleError(FoveaError):
    code = "token_role_insufficient"

    def __init__(self) -> None:
        super().__init__("the token is for inference, not for management", "send one of FOVEA_MANAGEMENT_TOKENS")


class QuotaExceededError(FoveaError):
    code = "quota_exceeded"

    def __init__(self, per_second: float, burst: int, retry_after_seconds: int) -> None:
        super().__init__(
            f"more than {burst} requests at once and {per_second:g} a second", f"try again in {retry_after_seconds} s"
        )
        self.retry_after_seconds = retry_after_seconds


class ModelUnavailableError(FoveaError):
    code = "model_unavailable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"model {shown(name)} cannot answer: {reason}", "see GET /v1/models for its state")


class ModelOutputInvalidError(FoveaError):
    """A run gave NaN, infinity or too few rows: the model's fault, not the client's."""

    code = "model_output_invalid"

    def __init__(self, name: str, what: str = "NaN or infinity") -> None:
        super().__init__(f"model {shown(name)} answered {what}", "report this to the operator")
        self.what = what


class InferenceFailedError(FoveaError):
    """The runtime cannot run the network on an image that was prepared for it."""

    code = "inference_failed"

    def __init__(self, name: str) -> None:
        super().__init__(f"model {shown(name)} cannot run this image", "report this to the operator")


# --- model files


class ModelFileError(FoveaError):
    """A model file that cannot be served. The file and the other models are untouched."""

    code = "model_invalid"


class CorruptModelError(ModelFileError):
    code = "model_corrupt"


class ChecksumMismatchError(ModelFileError):
    code = "checksum_mismatch"

    def __init__(self, stated: str, computed: str) -> None:
        super().__init__(
            f"the file states sha256 {stated[:12]}… and its graph has {computed[:12]}…",
            "copy or export the file again; whoever rewrites a graph rewrites its metadata too",
        )


class ExternalDataError(ModelFileError):
    code = "external_data_forbidden"

    def __init__(self, tensor: str) -> None:
        super().__init__(
            f"weight {shown(tensor)} lies outside the file",
            "save the model as one file (torch: external_data=False; onnx: save_as_external_data=False)",
        )


class UnsupportedModelError(ModelFileError):
    code = "model_unsupported"


class ModelContractError(ModelFileError):
    """A sound ONNX file, but not a network that takes one image batch."""

    code = "model_contract"


class InvalidMetadataError(ModelFileError):
    code = "metadata_invalid"


class SmokeTestError(ModelFileError):
    code = "smoke_test_failed"


# --- bulk jobs


class BulkSourceError(FoveaError):
    code = "bulk_source_unusable"

    def __init__(self, source: str, reason: str, remedy: str) -> None:
        super().__init__(f"{source} {reason}", remedy)


class BulkJobDiffersError(FoveaError):
    code = "bulk_job_differs"

    def __init__(self, folder: str, name: str, before: object, now: object) -> None:
        super().__init__(
            f"{folder} holds answers for {name} {shown(before, 128)}, not {shown(now, 128)}",
            "ask as before to go on, or name another folder",
        )


class BulkJobRunningError(FoveaError):
    code = "bulk_job_running"

    def __init__(self, folder: str) -> None:
        super().__init__(f"the job in {folder} is running", "wait for its end, or stop it first")


# --- the machine


class NotInClusterError(FoveaError):
    """A setting that a process alone can follow, and not one of many replicas."""

    code = "setting_not_in_cluster"

    def __init__(self, setting: str, remedy: str) -> None:
        super().__init__(f"{setting} would reach one replica of many under Ray Serve", f"leave it out, and {remedy}")


class MissingPackageError(FoveaError):
    code = "package_missing"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"the package {package} is not installed", f"install the extra `{extra}`")


class RuntimeConflictError(FoveaError):
    code = "runtime_conflict"


class ProviderUnavailableError(FoveaError):
    code = "provider_unavailable"


class TokensUnusableError(FoveaError):
    code = "tokens_unusable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the token file {shown(path, 256)} cannot be used: {reason}", "write one token a line")


class TracingUnavailableError(FoveaError):
    code = "tracing_unavailable"

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"traces are asked for, and the package {missing} is not installed",
            "install opentelemetry-exporter-otlp-proto-http, or unset FOVEA_OTLP_ENDPOINT",
        )
