package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/padding"
	"github.com/moov-io/iso8583/prefix"
)

// A row of `iso8583 dialect-show --json`.
type row struct {
	Number       int    `json:"number"`
	Name         string `json:"name"`
	Format       string `json:"format"`
	Content      string `json:"content"`
	Length       int    `json:"length"`
	PrefixDigits int    `json:"prefix_digits"`
	Prefix       string `json:"prefix"`
	PrefixCounts string `json:"prefix_counts"`
	Filler       string `json:"filler"`
}

type table struct {
	Name        string `json:"name"`
	Header      string `json:"header"`
	MTI         string `json:"mti"`
	Bitmap      string `json:"bitmap"`
	Page        string `json:"ebcdic_page"`
	ThirdBitmap *struct {
		AnnouncedBy int    `json:"announced_by"`
		Bitmap      string `json:"bitmap"`
	} `json:"third_bitmap"`
	Elements []row `json:"elements"`
}

// noPart says for what of a dialect Moov has no part.
type noPart string

func (what noPart) Error() string { return "no part for " + string(what) }

// A dialect as Moov reads it. What stands before the MTI it leaves to the program.
type dialect struct {
	spec   *iso8583.MessageSpec
	header int
}

// readDialect makes a message spec of a dialect's rows, out of Moov's own parts. A row for which there is none fails when a
// message has the element: one without it can still be read.
func readDialect(folder, name string) (*dialect, error) {
	text, err := os.ReadFile(filepath.Join(folder, name+".json"))
	if err != nil {
		return nil, err
	}
	var rows table
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, err
	}
	spec, err := rows.spec()
	return &dialect{spec, len(rows.Header) / 2}, err
}

func (dialect *table) spec() (*iso8583.MessageSpec, error) {
	mti, err := dialect.element(row{Name: "MTI", Format: "n", Content: dialect.MTI, Length: 4, Filler: "left0"})
	if err != nil {
		return nil, err
	}
	bitmap, err := dialect.bitmapField(dialect.Bitmap)
	if err != nil {
		return nil, err
	}
	spec := &iso8583.MessageSpec{Name: dialect.Name, Fields: map[int]field.Field{0: mti, 1: bitmap}}
	for _, row := range dialect.Elements {
		element, err := dialect.element(row)
		if err != nil {
			element = failing(err)
		}
		spec.Fields[row.Number] = element
	}
	if third := dialect.ThirdBitmap; third != nil && third.AnnouncedBy != 65 {
		if spec.Fields[third.AnnouncedBy], err = dialect.thirdBitmap(); err != nil {
			return nil, err
		}
	} else if third != nil && third.Bitmap != dialect.Bitmap {
		return nil, noPart("a third bitmap in another form than the others")
	}
	return spec, nil
}

// failing stands where there is no part.
func failing(reason error) field.Field {
	return field.NewString(&field.Spec{
		Pref:     prefix.None.Fixed,
		Enc:      encoding.ASCII,
		Packer:   field.PackerFunc(func([]byte, *field.Spec) ([]byte, error) { return nil, reason }),
		Unpacker: field.UnpackerFunc(func([]byte, *field.Spec) ([]byte, int, error) { return nil, 0, reason }),
	})
}

func (dialect *table) bitmapField(form string) (*field.Bitmap, error) {
	spec := &field.Spec{Description: "bitmap", Enc: encoding.Binary, Pref: prefix.Binary.Fixed}
	switch form {
	case "bin":
	case "hexascii":
		spec.Enc, spec.Pref = encoding.BytesToASCIIHex, prefix.Hex.Fixed
	case "hexebcdic":
		characters, err := dialect.ebcdic()
		if err != nil {
			return nil, err
		}
		spec.Enc, spec.Pref = hexIn{characters}, prefix.Hex.Fixed
	default:
		return nil, noPart("a bitmap in " + form)
	}
	return field.NewBitmap(spec), nil
}

// thirdBitmap is an element that is a bitmap and what that announces: elements 129 to 192, numbered from 1 to Moov.
func (dialect *table) thirdBitmap() (field.Field, error) {
	bitmap, err := dialect.bitmapField(dialect.ThirdBitmap.Bitmap)
	if err != nil {
		return nil, err
	}
	bitmap.Spec().DisableAutoExpand = true
	inner := map[string]field.Field{}
	for _, row := range dialect.Elements {
		if row.Number <= beforeThird {
			continue
		}
		element, err := dialect.element(row)
		if err != nil {
			element = failing(err)
		}
		inner[strconv.Itoa(row.Number-beforeThird)] = element
	}
	return field.NewComposite(&field.Spec{Pref: prefix.None.Fixed, Bitmap: bitmap, Subfields: inner}), nil
}

const beforeThird = 128

func (dialect *table) element(row row) (field.Field, error) {
	spec := &field.Spec{Length: row.Length, Description: row.Name}
	var err error
	if spec.Pref, err = dialect.prefix(row); err != nil {
		return nil, err
	}
	switch row.Content {
	case "raw":
		spec.Enc = encoding.Binary
		return field.NewHex(spec), nil
	case "hexascii", "hexebcdic":
		var characters encoding.Encoder = encoding.ASCII
		if row.Content == "hexebcdic" {
			if characters, err = dialect.ebcdic(); err != nil {
				return nil, err
			}
		}
		if row.PrefixCounts != "digits" {
			spec.Enc = hexIn{characters}
			return field.NewHex(spec), nil
		}
		// as the text that it is
		spec.Length, spec.Enc = spec.Length*2, characters
	case "ascii":
		spec.Enc = encoding.ASCII
	case "ebcdic":
		if spec.Enc, err = dialect.ebcdic(); err != nil {
			return nil, err
		}
	case "bcd":
		if err = packed(row, spec); err != nil {
			return nil, err
		}
	default:
		return nil, noPart("content in " + row.Content)
	}
	return field.NewString(spec), nil
}

func (dialect *table) ebcdic() (encoding.Encoder, error) {
	switch dialect.Page {
	case "cp500":
		return encoding.EBCDIC, nil
	case "cp1047":
		return encoding.EBCDIC1047, nil
	}
	return nil, noPart("code page " + dialect.Page)
}

func packed(row row, spec *field.Spec) error {
	switch {
	case row.PrefixCounts == "bytes":
		return noPart("a prefix that counts bytes of packed digits")
	case row.Format == "x+n":
		spec.Packer, spec.Unpacker = field.PackerFunc(packSigned), field.UnpackerFunc(unpackSigned)
	case row.Format == "z":
		spec.Pad = map[string]padding.Padder{
			"left0": padding.Left('0'), "right0": padding.Right('0'), "rightF": padding.Right('F'),
		}[row.Filler]
		spec.Packer, spec.Unpacker = field.PackerFunc(packTrack), field.UnpackerFunc(unpackTrack)
	case row.Filler == "right0":
		spec.Enc = encoding.LBCD
		return nil
	}
	spec.Enc = encoding.BCD
	return nil
}

func (dialect *table) prefix(row row) (prefix.Prefixer, error) {
	var family prefix.Prefixers
	width := row.PrefixDigits
	switch row.Prefix {
	case "ascii":
		family = prefix.ASCII
	case "bcd":
		family = prefix.BCD
	case "ebcdic":
		// the digits are alike in all code pages
		family = prefix.EBCDIC
	case "bin":
		family, width = prefix.Binary, (width+1)/2
	case "hexascii":
		return hexDigits(width), nil
	case "":
		return prefix.ASCII.Fixed, nil
	default:
		return nil, noPart("a prefix in " + row.Prefix)
	}
	widths := []prefix.Prefixer{family.Fixed, family.L, family.LL, family.LLL, family.LLLL, family.LLLLL, family.LLLLLL}
	return widths[width], nil
}

// hexIn is hex digits in other characters than Moov has them: two for each byte.
type hexIn struct{ characters encoding.Encoder }

func (digits hexIn) Encode(bytes []byte) ([]byte, error) {
	return digits.characters.Encode([]byte(strings.ToUpper(hex.EncodeToString(bytes))))
}

func (digits hexIn) Decode(data []byte, length int) ([]byte, int, error) {
	text, read, err := digits.characters.Decode(data, length*2)
	if err != nil {
		return nil, 0, err
	}
	bytes, err := hex.DecodeString(string(text))
	return bytes, read, err
}

// hexDigits is a prefix of so many hex digits, where Moov knows pairs of them.
type hexDigits int

func (width hexDigits) EncodeLength(most, length int) ([]byte, error) {
	text := fmt.Sprintf("%0*X", int(width), length)
	if length > most || len(text) > int(width) {
		return nil, fmt.Errorf("%d, more than %d", length, most)
	}
	return []byte(text), nil
}

func (width hexDigits) DecodeLength(most int, data []byte) (int, int, error) {
	if len(data) < int(width) {
		return 0, 0, fmt.Errorf("a prefix of %d digits in %d bytes", int(width), len(data))
	}
	length, err := strconv.ParseUint(string(data[:width]), 16, 32)
	if err == nil && int(length) > most {
		err = fmt.Errorf("%d, more than %d", length, most)
	}
	return int(length), int(width), err
}

func (width hexDigits) Inspect() string { return "hex digits" }

// A track's nibbles are its digits, D for the separator, and F as filler.
func packTrack(value []byte, spec *field.Spec) ([]byte, error) {
	length, err := spec.Pref.EncodeLength(spec.Length, len(value))
	if err != nil {
		return nil, err
	}
	nibbles := spec.Pad.Pad(value, len(value)+len(value)%2)
	bytes := make([]byte, hex.DecodedLen(len(nibbles)))
	if _, err := hex.Decode(bytes, nibbles); err != nil {
		return nil, err
	}
	return append(length, bytes...), nil
}

func unpackTrack(data []byte, spec *field.Spec) ([]byte, int, error) {
	digits, start, err := spec.Pref.DecodeLength(spec.Length, data)
	if err != nil {
		return nil, 0, err
	}
	end := start + (digits+1)/2
	if end > len(data) {
		return nil, 0, fmt.Errorf("track of %d digits in %d bytes", digits, len(data)-start)
	}
	nibbles := strings.ToUpper(hex.EncodeToString(data[start:end]))
	if spec.Pad.Pad([]byte("="), 2)[1] == '=' {
		return []byte(nibbles[len(nibbles)-digits:]), end, nil // filled on the left
	}
	return []byte(nibbles[:digits]), end, nil
}

// A signed amount is a character and packed digits, of a fixed length.
func packSigned(value []byte, spec *field.Spec) ([]byte, error) {
	if len(value) != spec.Length {
		return nil, fmt.Errorf("%d characters, not %d", len(value), spec.Length)
	}
	digits, err := spec.Enc.Encode(value[1:])
	return append([]byte{value[0]}, digits...), err
}

func unpackSigned(data []byte, spec *field.Spec) ([]byte, int, error) {
	if len(data) == 0 {
		return nil, 0, fmt.Errorf("no sign")
	}
	digits, read, err := spec.Enc.Decode(data[1:], spec.Length-1)
	return append([]byte{data[0]}, digits...), 1 + read, err
}
