/** The scalars of the JSON for programs, with their units. Their tags are those of JSON Schema (`npm run schema`). */

/** @unit octets @asType integer @minimum 0 */
export type Octets = number;
/** @unit packets @asType integer @minimum 0 */
export type Packets = number;
/** @unit count @asType integer @minimum 0 */
export type Count = number;
/** @unit seconds @minimum 0 */
export type Seconds = number;
/** @unit milliseconds @minimum 0 */
export type Milliseconds = number;
/** @unit part @minimum 0 @maximum 1 */
export type Part = number;
/** @unit port-number @asType integer @minimum 0 @maximum 65535 */
export type Port = number;
/** @unit process-number @asType integer @minimum 1 */
export type ProcessId = number;
/** @format ipv4 */
export type Ipv4Text = string;
/** @format ipv6 */
export type Ipv6Text = string;
/** IPv4 address and port: `192.0.2.1:4096`. @pattern ^[0-9.]+:[0-9]+$ */
export type EndpointText = string;
/** IPv6 prefix and length: `2001:db8:1:2::/64`. @pattern ^[0-9a-f:]+/[0-9]+$ */
export type Ipv6PrefixText = string;
/** IPv4 address and length: `192.0.2.0/24`. @pattern ^[0-9.]+/[0-9]+$ */
export type Ipv4PrefixText = string;
/** A moment: `2026-11-29T06:12:03.512Z`. @format date-time */
export type TimeText = string;
