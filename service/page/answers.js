/**
 * The service's answers as the page reads them: types only. The whole of them stands in openapi.json.
 *
 * @typedef {{status: string, size: number[]|null, jump: number[]|null, centre: number[]|null}} ReceptiveField
 * @typedef {{id: string, aliases: string[], kind: string, stage: string, tensor: string, inputs: string[],
 *   kernel: number[]|null, stride: number[]|null, padding: number[][]|null, dilation: number[]|null,
 *   groups: number|null, input_shape: (number|null)[]|null, output_shape: (number|null)[]|null, formula: string[],
 *   parameters: number|null, parameters_formula: string|null, macs: number|null, macs_formula: string|null,
 *   flops: number|null, activation_bytes: number|null, receptive_field: ReceptiveField|null,
 *   reason: string|null}} LayerRow
 *   `inputs` are ids of layers, or the name of the network's input
 * @typedef {{model: string, version: number, input: string, input_shape: number[], layers: LayerRow[],
 *   totals: {parameters: number, macs: number}, conventions: string[]}} LayerTable
 * @typedef {{version: number, state: string, reason: string|null, default: boolean,
 *   preprocessing: {height: number, width: number, color: string}|null,
 *   metrics: {dataset: string, images: number, accuracy: number}|null,
 *   provenance: {stage: string}|null, assumed: string[]}} ModelVersion
 * @typedef {{name: string, classes: string[]|null, versions: ModelVersion[]}} Model
 * @typedef {{label: string, index: number, probability: number, logit: number|null}} Prediction
 * @typedef {{shape: number[], min: number|null, mean: number|null, max: number|null, std: number|null,
 *   zeros: number|null, dead_channels: number[]|null, histogram: {counts: number[], edges: number[]}|null}} LayerStatistics
 * @typedef {{channel: number, min: number|null, mean: number|null, max: number|null,
 *   zeros: number|null}} ChannelStatistics
 * @typedef {{top: number, left: number, bottom: number, right: number}} Box ends included
 * @typedef {{value: number|null, runtime: number|null, relative_difference: number|null, allowed_difference: number,
 *   agrees: boolean}} Rederived `value` in float64 by the service, `runtime` by ONNX Runtime
 * @typedef {(number|null)[][]} Matrix null: padding, or not finite
 * @typedef {{form: 'convolution', products_count: number, first_input_channel: number, reads: (number|null)[][],
 *   patch: Matrix[]|null, kernel: Matrix[]|null, products: Matrix[]|null,
 *   channel_sums: {channel: number, sum: number}[], channel_sums_rest: number, bias: number|null,
 *   omitted: string|null}} ConvolutionWork
 * @typedef {{form: 'pooling', reads: (number|null)[][], patch: Matrix|null, omitted: string|null,
 *   winner: {position: number[], value: number}|null, sum: number|null, divisor: number|null}} PoolingWork
 * @typedef {{form: 'dense', inputs: number, rest: number, bias: number|null,
 *   contributions: {input: number, value: number, weight: number, product: number}[]}} DenseWork
 * @typedef {{form: 'softmax', score: number, lowered_by: number, sum: number,
 *   exponentials: {index: number, score: number, exponential: number}[]}} SoftmaxWork
 * @typedef {{form: 'local_response_norm', neighbours: {channel: number, value: number, square: number}[],
 *   sum_of_squares: number}} LocalResponseWork
 * @typedef {{form: 'batch_norm', input: number, mean: number, variance: number, epsilon: number, scale: number,
 *   bias: number}} BatchNormWork
 * @typedef {{form: 'elementwise', inputs: number[]}} ElementwiseWork
 * @typedef {ConvolutionWork|PoolingWork|DenseWork|SoftmaxWork|LocalResponseWork|BatchNormWork|ElementwiseWork} Work
 * @typedef {Rederived & {layer: string, kind: string, text: string, work: Work,
 *   followed_by: (Rederived & {layer: string, kind: string, text: string})[],
 *   receptive_field: {exact: boolean, box: Box, clipped: Box|null}|null}} Unit
 * @typedef {{model: string, version: number, method: string, because: string, formula: string, layer: string|null,
 *   class: {label: string, index: number, score: number|null, quantity: string, probability: number|null,
 *     predicted: boolean}|null,
 *   range: {min: number|null, max: number|null}, shape: [number, number], values: (number|null)[][],
 *   on_picture: {centre: [number, number], jump: [number, number], stretched: boolean},
 *   channels: {channel: number, weight: number|null}[]|null, passes: number, seconds: number}} ClassActivation
 * @typedef {{relative: number|null, cosine: number|null}} Change
 * @typedef {Change & {dx: number, dy: number, equivariance: {cells: [number, number], overlap: number|null,
 *   interior: number|null, interior_cells: number}|null}} LayerChange
 * @typedef {{id: string, kind: string, shape: number[], jump: number[]|null, changes: LayerChange[]}} LayerShift
 * @typedef {{dx: number, dy: number, input: Change, answer: {predictions: Prediction[], same_class: boolean,
 *   original_class_probability: number|null, largest_change: number|null}|null}} MovedPicture
 * @typedef {{height: number, width: number, original: Prediction[]|null, shifts: MovedPicture[],
 *   layers: LayerShift[]}} Shift
 * @typedef {{id: string, kinds: [string, string], a: {shape: number[]}, b: {shape: number[]},
 *   difference: {mean: number, max: number, relative: number|null, cosine: number|null,
 *     channels: {channel: number, mean: number, max: number, relative: number|null}[]}|null,
 *   dead_in_a_only: number[], dead_in_b_only: number[]}} LayerComparison
 * @typedef {{a: {image: string|null, version: number}, b: {image: string|null, version: number},
 *   answers: {a: Prediction[], b: Prediction[], same_class: boolean,
 *     changes: {label: string, index: number, probabilities: (number|null)[], change: number|null}[]|null}|null,
 *   layers: LayerComparison[], only_in_a: string[], only_in_b: string[]}} Comparison
 */
export {}
